#pragma once
/* The process driver: an instance is a process of this machine held by a shim (docs/protocol.md
 * "Shim"). Trees are ended by control group where there is one, else by identity. */
#include "drivers/driver.h"

extern const DriverOps process_driver;
