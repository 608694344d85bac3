#pragma once
/* Requests and the engine: who waits for a commit, and what is answered when. */
#include "server/state.h"

/* Makes the engine, with @hands (borrowed) and its timers, and gives it the core that is stored. */
bool turn_open(Server *server, const EngineHands *hands, GError **error);
/* Hands @reply to the request that waits for it, if that is still there. A read whose batch failed
 * is done again when there is another core. */
void turn_reply(Server *server, const Reply *reply);
/* Lets go of the requests whose commit is still on its way when the server ends. They get no
 * answer, since nobody knows yet what it will be; their connections are closed. */
void turn_drop_waiters(Server *server);
void turn_close(Server *server);
/* Called with the JSON of an answer when it may leave; @request NULL = the peer has gone. */
typedef void (*TurnLeaveFn)(Server *server, HttpRequest *request, const char *body, void *data);
/* A change asked for by @request: refused while the store is not OK, the queue is full or the
 * server leaves. Sets the reply token. */
void turn_change(Server *server, Command *command, HttpRequest *request);
/* The same, but @leave answers when the change is accepted and stored: @body is the core's reply. A
 * refusal is answered as ever; @leave is then called with @request NULL, so that it frees @data. */
void turn_change_then(Server *server, Command *command, HttpRequest *request, TurnLeaveFn leave,
                      void *data);
/* The server's buffer for one answer, empty. */
GString *turn_scratch(Server *server);
/* Answers @request with @body as soon as nothing that it may have seen is uncommitted: at once when
 * nothing is. What was seen of a core that is thrown away by now is seen again. */
void turn_answer(Server *server, HttpRequest *request, int status, const char *content_type,
                 const GString *body);
/* Like turn_answer, but @leave is called instead of answering; it must free @data. */
void turn_leave_later(Server *server, HttpRequest *request, const GString *body, TurnLeaveFn leave,
                      void *data);
/* Sends @message (ownership moves) as soon as nothing that it may have seen is uncommitted. */
void turn_send_later(Server *server, Message *message);
