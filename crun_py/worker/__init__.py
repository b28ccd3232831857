"""The engine in a process of its own, for a caller that must not notice.

    caller (any threads, any loop)     worker (one thread)              child, one per request
    channel.Worker.call           →    server: takes the request's  →   serve: reads the request,
    channel_async.AsyncWorker          socket, forks                    calls the engine, answers
            ↑_______________________________________________________________│
                          the request's socket: typed messages (wire, values)

What enters a user or mount namespace, forks or waits is done in the child.  The worker only forks
and watches: when a request's caller hangs up its child is interrupted, and when the caller ends
everything does.  `spawn` starts the worker so that it is nobody's child (_native/worker.c).
"""
