/* Life of effects and their parts; see core.h. */
#include "core/core.h"

#include "base/text.h"

void core_message_free(Message *message)
{
  if (!message)
    return;
  g_free(message->node);
  text_wipe(message->frame); /* secrets go in frames */
  g_free(message);
}

void event_free_(Event *event)
{
  if (!event)
    return;
  g_free(event->type);
  g_free(event->deployment);
  g_free(event->object);
  g_free(event->data);
  g_free(event);
}

void reply_free(Reply *reply)
{
  if (!reply)
    return;
  text_wipe(reply->body); /* it may be the key of a deployment */
  g_free(reply);
}

Effects *effects_new(void)
{
  Effects *effects = g_new0(Effects, 1);
  effects->records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  effects->messages = g_ptr_array_new_with_free_func((GDestroyNotify)core_message_free);
  effects->events = g_ptr_array_new_with_free_func((GDestroyNotify)event_free_);
  effects->replies = g_ptr_array_new_with_free_func((GDestroyNotify)reply_free);
  effects->wake_at_ms = INT64_MAX;
  return effects;
}

void effects_free(Effects *effects)
{
  if (!effects)
    return;
  g_ptr_array_unref(effects->records);
  g_ptr_array_unref(effects->messages);
  g_ptr_array_unref(effects->events);
  g_ptr_array_unref(effects->replies);
  g_free(effects);
}
