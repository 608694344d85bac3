#pragma once
/* The handlers of core_apply, a command each. A handler refuses, which changes nothing, or changes
 * objects, marks them and answers; what follows from that is the business of the phases. */
#include "core/core.h"

/* commands.c */
void command_deploy(Core *core, const Command *command);
void command_down(Core *core, const Command *command);
void command_restart(Core *core, const Command *command);
void command_cancel(Core *core, const Command *command);
void command_rollback(Core *core, const Command *command);
void command_exec(Core *core, const Command *command);
void command_run(Core *core, const Command *command);
void command_scale(Core *core, const Command *command);
void command_forget(Core *core, const Command *command);
/* node.c */
void command_node_frame(Core *core, const Command *command);
void command_node_gone(Core *core, const Command *command);
/* core.c */
void command_tick(Core *core, const Command *command);
/* tokens.c */
void command_token_create(Core *core, const Command *command);
void command_token_revoke(Core *core, const Command *command);
/* secrets.c */
void command_secret_set(Core *core, const Command *command);
void command_secret_remove(Core *core, const Command *command);
void command_secrets_given(Core *core, const Command *command);
/* notices.c */
void command_notice_tried(Core *core, const Command *command);
/* registry.c */
void command_register(Core *core, const Command *command);
void command_deregister(Core *core, const Command *command);
