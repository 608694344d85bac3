#pragma once
/* The engine's hands in a server. */
#include "server/state.h"

/* Their data is the Server. */
extern const EngineHands server_hands;
