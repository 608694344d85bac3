#pragma once
/* Who speaks to us over a unix socket: an agent that this machine runs for us, or somebody else of
 * our user. Agents often share our uid, so that the uid alone says nothing about them. */
#include <sys/types.h>

typedef enum PeerOrigin { PEER_FREE, PEER_AGENT, PEER_GONE } PeerOrigin;

/* Says where the process @pid comes from that has connected to a unix socket of ours.
 * @pid        by SO_PEERCRED; 0 = of another pid namespace, which no descendant of our shims can be
 * in: PEER_FREE
 * @pidfd      of that process, borrowed; -1 = it had gone when we asked: PEER_GONE
 * @state_dir  of the node whose agents count: PEER_AGENT is who runs below a shim that holds a
 * directory in it. NULL = nodes are processes of their own, in directories that we do not know:
 * every shim counts but those that we run below ourselves Where the line of its parents cannot be
 * read to its end because it changes all the time, the answer is PEER_AGENT. What this cannot see:
 * a process of the same user that an agent has taken over (docs/operations.md "Agents and the
 * server's user"). */
PeerOrigin peer_origin(pid_t pid, int pidfd, const char *state_dir);
/* The same for the peer of the connected unix socket @fd; to be asked at once when it was accepted.
 */
PeerOrigin peer_origin_of_socket(int fd, const char *state_dir);
