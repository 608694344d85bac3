/* The one entrance of the core, and the phases of a turn: the page to begin with. */
#include "core/core.h"

#include "core/announce.h"
#include "core/command.h"
#include "core/deployment.h"
#include "core/instance.h"
#include "core/node.h"
#include "core/notices.h"
#include "core/rollout.h"
#include "core/schedule.h"
#include "core/state.h"
#include "core/turn.h"

void command_tick(Core *core, const Command *command)
{
  (void)command;
  nodes_tick(core);
  rollouts_tick(core);
  schedules_tick(core);
}

/* A handler changes objects and puts those that something follows from into a queue of the turn.
 * Then every phase empties its queues and may fill those of later ones, never of earlier ones: what
 * happens goes down this page, and no file of the core calls one that stands above it. */
void core_apply(Core *core, const Command *command, Now now, Effects *effects)
{
  static void (*const handlers[COMMAND_N])(Core *, const Command *) = {
      [COMMAND_DEPLOY] = command_deploy,
      [COMMAND_DOWN] = command_down,
      [COMMAND_RESTART] = command_restart,
      [COMMAND_SCALE] = command_scale,
      [COMMAND_RUN] = command_run,
      [COMMAND_CANCEL] = command_cancel,
      [COMMAND_ROLLBACK] = command_rollback,
      [COMMAND_EXEC] = command_exec,
      [COMMAND_FORGET] = command_forget,
      [COMMAND_REGISTER] = command_register,
      [COMMAND_DEREGISTER] = command_deregister,
      [COMMAND_NOTICE_TRIED] = command_notice_tried,
      [COMMAND_NODE_FRAME] = command_node_frame,
      [COMMAND_NODE_GONE] = command_node_gone,
      [COMMAND_TICK] = command_tick,
      [COMMAND_TOKEN_CREATE] = command_token_create,
      [COMMAND_TOKEN_REVOKE] = command_token_revoke,
      [COMMAND_SECRET_SET] = command_secret_set,
      [COMMAND_SECRET_REMOVE] = command_secret_remove,
      [COMMAND_SECRETS_GIVEN] = command_secrets_given,
  };
  g_assert((int)command->type >= 0 && command->type < COMMAND_N);
  turn_begin(core, now, effects);
  core_cover(core, "command", (int)command->type, 0);
  handlers[command->type](core, command);
  rollouts_run(core);    /* what nodes told moves rollouts on, or back */
  instances_run(core);   /* nodes that are there again hear what holds by now */
  schedules_run(core);   /* runs that are over make room for those that wait */
  deployments_run(core); /* rollouts that are done are settled; the status, and peers */
  notices_run(core);     /* webhooks are told what became worse, or well again */
  announce(core);        /* records and events of what changed, and frames */
  rollouts_arm(core);    /* when each wants to be looked at again */
  effects->wake_at_ms = core_next_wake(core);
  turn_end(core);
}
