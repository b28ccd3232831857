/* core.h: the core helper's table of contents.
 *
 * crunpy-core carries out a plan that Python made (see runtime/plan.py) and decides nothing.
 * One static program, executed from a sealed memfd, in up to four processes:
 *
 *   main.c     entry: read the plan, detach from the caller, become the monitor
 *   plan.c     the plan's bytes -> an array of steps
 *   monitor.c  monitor: one loop until init's death, and what follows from that (monitor.h)
 *   starting.c monitor: init, and the streams beside it
 *   streams*.c streams: the container's output, log and clients, in a jail (streams.h)
 *   orders.c   monitor: what commands have it do, over a socket
 *   held.c     monitor: descriptors that it keeps for the container
 *   health.c   monitor: when the health check is due, and the command that makes it
 *   notify.c   monitor: what the container tells systemd
 *   status.c   monitor: status.json, the one file that says what became of the container
 *   init.c     init: after clone3, the loop over the steps, up to execve
 *   steps.c    init: the steps about the process (namespaces, ids, caps, seccomp)
 *   exec.c     init: the last one: execve, or what is missing for it
 *   mounts.c   init: the steps about the file system (mounts, pivot_root)
 *   devices.c  init: device nodes of the container's own
 *   resolve.c  init: every path inside the container's root becomes a descriptor here
 *   jail.c     streams, responder: giving up files, privileges and system calls (jail.h)
 *   dns*.c     responder: names on user networks (dns.h)
 */
#ifndef CRUNPY_CORE_H
#define CRUNPY_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* ---- plan.c: keep the numbers in step with runtime/plan.py (a test compares them) ---- */

enum op {
	/* what init does, in the order given */
	OP_SETNS = 1,	   /* a=fd b=nstype */
	OP_UNSHARE = 2,	   /* a=flags */
	OP_PROPAGATION = 3, /* a=flags, on / */
	OP_OVERLAY = 4,	   /* a=flags s0=mountpoint s1=options s2=upper s3=work s4..=lower, topmost first */
	OP_BINDROOT = 5,   /* a=flags to set c=propagation, 0: private s0=directory that becomes the root */
	OP_MOUNT = 6,	   /* a=flags; MS_REMOUNT: what is mounted there is changed, with MS_BIND the mount alone b=1 may be missing, 2 takes its label as an attribute s0=source s1=target s2=type s3=data
			    * c=what a tmpfs has from the directory it covers: 1 mode, 2 uid, 4 gid */
	OP_BIND = 7,	   /* a=flags to set b=recursive c=propagation s0=source s1=target */
	OP_MKDIR = 8,	   /* a=mode s0=path */
	OP_SYMLINK = 9,	   /* s0=text s1=path */
	OP_MASK = 10,	   /* s0=path; absent paths are passed over */
	OP_READONLY = 11,  /* s0=path; absent paths are passed over */
	OP_TERMINAL = 12,  /* a=uid that owns it b=it is the console, too c=OP_ENTERPID follows */
	OP_PIVOT = 13,	   /* the root prepared so far becomes / */
	OP_ROOTFLAGS = 14, /* a=mount flags for / */
	OP_LOOPBACK = 15,  /* lo up */
	OP_HOSTNAME = 16,  /* s0 */
	OP_DOMAINNAME = 17, /* s0 */
	OP_SYSCTL = 18,	   /* a=may fail s0=path below /proc/sys s1=value */
	OP_RLIMIT = 19,	   /* a=resource b=soft c=hard */
	OP_OOMSCORE = 20,  /* a=value */
	OP_KEYRING = 21,   /* a new session keyring */
	OP_CHDIR = 22,	   /* s0 */
	OP_UMASK = 23,	   /* a */
	OP_USER = 24,	   /* a=uid b=gid s0=supplementary gids, 4 bytes each; c=keep groups as they are */
	OP_BOUNDING = 25,  /* a=mask */
	OP_CAPS = 26,	   /* a=effective and permitted b=inheritable c=ambient */
	OP_NONEWPRIVS = 27,
	OP_SECCOMP = 28,   /* a=flags of seccomp(2) s0=struct sock_filter[]; a listener's descriptor is handed
			    * to the one who asked for the start */
	OP_ENV = 29,	   /* s0..=the whole environment */
	OP_EXEC = 30,	   /* s0..=argv */
	OP_ENTERROOT = 31, /* after joining a mount namespace: chroot is there, / is ours */
	OP_INIT = 32,	   /* a reaping pid 1 stays between us and the command */
	OP_GATE = 33,	   /* wait until a client says go */
	OP_ATTACH = 34,	   /* a=fd of a detached mount b=flags to set << 1 c=propagation s0=target;
			    * b & 1: s0, a path of the host, becomes the root */
	OP_KEEP = 35,	   /* a=fd that the command gets as the next one after stdio */
	OP_DEVICE = 36,	   /* a=type and mode, 0: those of s0 b=device number c=uid, gid << 32
			    * s0=the host's node s1=target */
	OP_CLEAR = 37,	   /* no more nodes are made: what they were made in leaves the mount namespace */
	OP_CONFINE = 39,   /* s0=what a security module is told s1..=its file, the first that there is */
	OP_LABEL = 45,	   /* s0=the SELinux label of what is made for the container: nodes, masks */
	OP_ENTERPID = 38,  /* become a process of the pid namespace that SET_CLONE names */
	OP_PAUSE = 40,	   /* wait until the one who asked for the start lets us go on: hooks */
	OP_PERSONALITY = 41, /* a=persona */
	OP_IOPRIO = 42,	   /* a=class and level, ioprio_set(2) */
	OP_SCHEDULER = 43, /* s0=struct sched_attr */
	OP_AFFINITY = 46,  /* s0=cpu_set_t, sched_setaffinity(2) */
	OP_PERMITTED = 44, /* a=the permitted capabilities, of which OP_CAPS has the effective ones */
	OP_STAY = 47,	   /* no command: init stays and holds its namespaces, until SIGTERM or SIGINT */

	/* what the monitor must know */
	SET_ID = 100,	   /* s0 */
	SET_CLONE = 101,   /* a=clone flags b=fd of a pid namespace, or -1: OP_ENTERPID enters it */
	SET_CGROUP = 102,  /* a=fd for CLONE_INTO_CGROUP or -1 b=ours to remove c=pidfd of who stands in it s0=path */
	SET_CLIENT = 103,  /* a=fd of the first client's socket */
	SET_RESULT = 104,  /* a=fd that is told how the start went */
	SET_RUNDIR = 105,  /* s0=directory of status.json and the sockets */
	SET_STATEDIR = 106, /* s0=directory for the copy of status.json that outlives a reboot */
	SET_LOG = 107,	   /* a=bytes per file, 0 unlimited b=files c=enum log_format s0=path */
	SET_STDIO = 108,   /* a=terminal b=stdin is open c=stdin closes with its first client
			    * s0=the SELinux label of the pipes, "" for none s1=a directory to make them in */
	SET_CLEANUP = 109, /* s0..=command that the monitor becomes when nobody else cleans up */
	SET_HOLD = 110,	   /* a=fd to keep open as long as the container lives b=its key (held.c) */
	SET_HEALTH = 111,  /* a=ms between checks b=the same while it starts c=ms it may take to start
			    * s0..=command that makes one check; exit status 0: it has started */
	SET_RESTART = 112, /* a=enum restart b=ms to wait before SET_CLEANUP's command, which restarts */
	SET_TIMEOUT = 113, /* a=ms until SIGKILL; exit status then: TIMED_OUT */
	SET_USERNS = 114,  /* a=fd of the user namespace that init is made in */
	SET_DNS = 115,	   /* a=fd of a UDP socket b=fd of a listening TCP socket or -1 s0=directory of `names`
			    * s1..=servers for other names, none: those of /etc/resolv.conf */
	SET_NOTIFY = 116,  /* a=fd of the container's notify socket s0=the service manager's */
	SET_OOM = 117,	   /* s0=journal of events s1=the line for a killed process, but for its time */
	SET_ALONE = 118,   /* no monitor: init has our stdio, and is nobody's child when it is ready
			    * a=fd of the FIFO that lets OP_GATE go on, or -1 b=fd of a socket that gets a
			    * terminal's master, or -1 c=rows << 16 and columns of that, 0: not known */
};

struct str {
	const char *p; /* NUL-terminated for convenience; len does not count it */
	uint32_t len;
};

struct step {
	enum op op;
	uint32_t n;
	int64_t a, b, c;
	struct str *s;
};

struct plan {
	struct step *steps;
	uint32_t n;
	char *data;	     /* what the strings point into */
	struct str *strings; /* of all steps */
};

/* The plan in `fd` (a memfd).  0, or a negated errno. */
int plan_read(int fd, struct plan *plan);
/* String `i` of the step, "" when there are fewer. */
const char *step_str(const struct step *step, uint32_t i);
/* The step's strings as execve(2) takes them, to be freed; NULL: no memory. */
char **step_argv(const struct step *step);

/* ---- main.c ---- */

/* What ps shows as our command line. */
void set_title(const char *text);
/* What ps shows as our name, in the place of the first word of our command line: not longer than that. */
void rename_process(const char *name);
/* Wipe what /proc/PID/environ shows. */
void forget_environment(void);

/* close_range(2), for which musl has no wrapper: close, or mark close-on-exec. */
int close_fds(unsigned first, unsigned last, bool on_exec);
/* Close all but the n descriptors of `keep`, which gets sorted; those below 0 do not count. */
void close_all_but(int *keep, size_t n);

/* ---- init.c: what the process that becomes the container knows ---- */

enum { MAX_KEPT = 256, ABOUT = 256 };

struct init {
	const struct plan *plan;
	int report; /* socket to the monitor: struct report; closed by a good execve */
	int result; /* the monitor's word to who asked for us, which init has no use for */
	int noted[2]; /* pipe: a byte once the monitor has written down who we are */
	int root;   /* O_PATH of the container's root until OP_PIVOT, then of / */
	bool terminal; /* stdio is a terminal */
	struct winsize window; /* its size, 0: not known */
	int workshop, n_nodes; /* devices.c: the tmpfs where nodes are made */
	const char *label; /* of what is made for the container, NULL: none */
	int stdio[3];
	int kept[MAX_KEPT], n_kept;
	int start;   /* SET_ALONE: the FIFO by which OP_GATE is let go, -1: none */
	uint64_t permitted; /* beside the effective capabilities */
	char **env;
	char about[ABOUT]; /* what a step that failed adds to its errno */
};

/* init -> monitor on the report socket; a terminal's descriptor travels with REPORT_TTY, that of a seccomp
 * filter's listener with REPORT_LISTENER, with REPORT_PID the pid of the process that goes on in our place, as index. */
enum { REPORT_FAILED = 1, REPORT_TTY = 2, REPORT_PID = 3, REPORT_GATE = 4, REPORT_PAUSE = 5,
       REPORT_LISTENER = 6 };
struct report {
	int32_t what, index, error;
	char about[ABOUT];
};

/* Runs in init; never returns. */
void init_main(struct init *init) __attribute__((noreturn));
/* End, also where the container's filter denies exit(2): then by a signal. */
void die(int status) __attribute__((noreturn));
void init_report(const struct init *init, int what, int index, int error, int fd);
/* Wait for the monitor's word; false when it is gone. */
bool init_told(const struct init *init);

/* ---- steps.c, mounts.c: one function per step; 0 or a negated errno ---- */

int step_setns(struct init *init, const struct step *s);
int step_unshare(struct init *init, const struct step *s);
int step_enterpid(struct init *init, const struct step *s);
int step_loopback(struct init *init, const struct step *s);
int step_hostname(struct init *init, const struct step *s);
int step_domainname(struct init *init, const struct step *s);
int step_sysctl(struct init *init, const struct step *s);
int step_rlimit(struct init *init, const struct step *s);
int step_oomscore(struct init *init, const struct step *s);
int step_confine(struct init *init, const struct step *s);
int step_label(struct init *init, const struct step *s);
int step_affinity(struct init *init, const struct step *s);
int step_keyring(struct init *init, const struct step *s);
int step_chdir(struct init *init, const struct step *s);
int step_umask(struct init *init, const struct step *s);
int step_user(struct init *init, const struct step *s);
int step_bounding(struct init *init, const struct step *s);
int step_caps(struct init *init, const struct step *s);
int step_nonewprivs(struct init *init, const struct step *s);
int step_seccomp(struct init *init, const struct step *s);
int step_env(struct init *init, const struct step *s);
int step_init(struct init *init, const struct step *s);
int step_stay(struct init *init, const struct step *s);
int step_gate(struct init *init, const struct step *s);
int step_pause(struct init *init, const struct step *s);
int step_personality(struct init *init, const struct step *s);
int step_ioprio(struct init *init, const struct step *s);
int step_scheduler(struct init *init, const struct step *s);
int step_permitted(struct init *init, const struct step *s);
int step_exec(struct init *init, const struct step *s);

int step_propagation(struct init *init, const struct step *s);
int step_overlay(struct init *init, const struct step *s);
int step_bindroot(struct init *init, const struct step *s);
int step_mount(struct init *init, const struct step *s);
int step_bind(struct init *init, const struct step *s);
int step_mkdir(struct init *init, const struct step *s);
int step_symlink(struct init *init, const struct step *s);
int step_mask(struct init *init, const struct step *s);
int step_readonly(struct init *init, const struct step *s);
int step_terminal(struct init *init, const struct step *s);
int step_pivot(struct init *init, const struct step *s);
int step_rootflags(struct init *init, const struct step *s);
int step_attach(struct init *init, const struct step *s);
int step_keep(struct init *init, const struct step *s);
int step_enterroot(struct init *init, const struct step *s);
int step_device(struct init *init, const struct step *s);
int step_clear(struct init *init, const struct step *s);

/* Of the attributes of bind_fd and of the steps bind and attach: read-only, but not what is
 * mounted below. */
#define RDONLY_TOP (1ULL << 32)
/* A copy of the mount at `source`, with attributes, attached at `target`. */
int bind_fd(int source, int target, uint64_t set, uint64_t propagation, bool recursive);
/* The detached mount `tree` comes to lie on `target`. */
int attach_tree(int tree, int target);
/* A null device that cannot be changed, over the file `target`. */
int bind_null(struct init *init, int target);
/* ---- resolve.c ---- */

/* openat2(2) with RESOLVE_IN_ROOT below `root`: no symlink, `..` or magic link leads out. */
int resolve_open(int root, const char *path, int flags);
/* The same with O_PATH, making what is missing: directories, the last part a regular
 * file when `file`. */
int resolve_create(int root, const char *path, bool file);
/* The directory `path`, made if missing, which must be no link: /proc, /sys and /dev as symlinks
 * have carried mounts to other places (CVE-2023-27561). */
int resolve_directory(int root, const char *path);
/* The directory that holds `path`, made if missing; *name points at the last part. */
int resolve_parent(int root, const char *path, const char **name);

/* ---- monitor.c ---- */

/* How the start went, to the one who asked for it: runtime/launch.py reads it. */
struct result {
	int32_t failed, index, error, pid;
	char about[ABOUT];
};

/* Runs in the monitor; returns its exit status. */
int monitor_main(const struct plan *plan);

/* ---- alone.c ---- */

/* Make the container of a plan with SET_ALONE, and leave it; returns an exit status. */
int alone_main(const struct plan *plan);

/* ---- exec.c ---- */

/* Whether the command of OP_EXEC can be found and executed, as execve(2) would say: 0 or a negated
 * errno. */
int exec_check(struct init *init, const struct step *s);

enum restart { RESTART_NO = 0, RESTART_ON_FAILURE = 1, RESTART_ALWAYS = 2 };
/* In the state directory while the restart policy is in force: a user's stop removes it. */
#define RESTART_FILE "restart.json"

/* ---- log.c ---- */

enum { STDOUT_STREAM = 0, STDERR_STREAM = 1 };
struct log;
enum log_format { LOG_JSON = 0, LOG_K8S = 1 };
/* fd: the file, or a negative one.  NULL: it cannot be had (errno). */
struct log *log_open(int fd, int64_t max_bytes, int format);
/* next: by which it gets more files, or -1: the next one, or the same again. */
void log_feed(struct log *log, int (*next)(bool rotate));
int log_fd(const struct log *log);
/* Append what the container wrote; lines are completed across calls.  Errors drop text:
 * a full disk must not stop the container. */
void log_write(struct log *log, int stream, const char *data, size_t n);
/* Entries that were dropped and of which the log itself does not tell; when it is closed, too. */
int64_t log_lost(const struct log *log);
int64_t log_close(struct log *log);

/* ---- log_files.c ---- */

/* To append to; -1 when it cannot be opened (errno). */
int log_file(const char *path);
/* path -> path.1 -> path.2 …; the last one is dropped. */
void log_rotate(const char *path, int64_t max_files);

/* ---- client.c ---- */

/* Clients are processes that watch or feed the container: `run`, `attach`, `wait`.
 * Messages on their SOCK_SEQPACKET socket begin with a letter (attach.py is the peer):
 *   to us    h flags rows cols  hello, first of all, with the size if there is a terminal
 *            i bytes        standard input
 *            w rows cols    window size, 2 x u16    e         end of standard input
 *            c stream       nobody reads this output any more: close it for the container
 *            s              let an initialized container start
 *   from us  o bytes, r bytes   standard output, standard error
 *            s failed index error   how that went: i32 each, as runtime/launch.py has them
 *            x code oom     i32 exit code, u8; then the socket closes */
enum hello { HELLO_STDOUT = 1, HELLO_STDERR = 2, HELLO_STDIN = 4, HELLO_LOSSLESS = 8, HELLO_CLEANER = 16 };
enum { MAX_CLIENTS = 64, CHUNK = 64 << 10 };

struct pollfd;
struct input { /* the container's standard input */
	int fd;	       /* -1 once closed */
	bool terminal, once, ending;
	bool start;    /* a client wants an initialized container to start */
	struct winsize window; /* a terminal has it from its first moment on */
	bool unread[2]; /* output streams whose reader is gone */
	size_t held;   /* bytes not yet taken */
	char data[CHUNK];
};
void clients_add(int fd, struct input *input);
/* Their descriptors, at most MAX_CLIENTS; returns how many. */
size_t clients_descriptors(int *out);
/* Close them: somebody else has them. */
void clients_forget(void);
/* Fill at most MAX_CLIENTS entries; returns how many. */
int clients_poll(struct pollfd *fds, const struct input *input);
void clients_handle(const struct pollfd *fds, int n, struct input *input);
/* frame[0] is free for the letter, n data bytes follow. */
void clients_send(int stream, char *frame, size_t n);
/* To every client, as it is: a short message that its socket takes. */
void clients_tell(const void *message, size_t n);
/* A client that must lose nothing has not taken all: read no more until it has. */
bool clients_behind(void);
/* Tell all the exit code, and close.  True when one has promised to clean up. */
bool clients_finish(int exit_code, bool oom_killed);
/* Offer what is held to the container; closes it at the end of input. */
void input_flush(struct input *input);

/* ---- passing.c ---- */

/* Descriptor handed over with one message, -1 for none. */
ssize_t send_with_fd(int sock, const void *data, size_t n, int fd);
ssize_t recv_with_fd(int sock, void *data, size_t n, int *fd, int flags);

/* ---- orders.c ---- */

/* Messages on orders.sock, SOCK_SEQPACKET (monitor.py is the peer):
 *   to us    k key, with a descriptor   keep it, u32        u key    close those with this key
 *            t, with a descriptor       the TCP socket of   d directory, server …, each with a NUL,
 *                                       the next d          with a descriptor   answer for names:
 *                                                           as SET_DNS; nothing, if somebody does
 *   from us  k error        i32: how k, u or d went, 0 or a negated errno */
enum { MAX_ORDERS = 16, ORDERS_FDS = MAX_ORDERS + 1 };
/* fd: the socket that listens, -1 for none. */
void orders_begin(int fd);
/* Fill at most ORDERS_FDS entries; returns how many. */
int orders_poll(struct pollfd *fds);
void orders_act(const struct pollfd *fds, int n);
void orders_end(void);

/* ---- held.c ---- */

/* Those of the plan's SET_HOLD (a: descriptor, b: key, target).  0 or -ENOMEM. */
int held_begin(const struct plan *plan);
enum { HELD_TARGET = 64 };
#define HELD_STORE UINT32_MAX /* the key of the lock that says that it runs (container/elsewhere.py) */
/* Keep one more.  target: "ADDRESS PORT" to which connections to this socket, which listens, are
 * passed on (relay.c), "@ADDRESS PORT" from within the container, or "".  0 or a negated errno. */
int held_add(int fd, uint32_t key, const char *target);
const char *held_target(int fd);
/* The network namespace that a plain user's networks are in (its key is 0), -1 for none. */
int held_hub(void);
/* Call for each one that is passed on, until that is false: it is returned. */
bool held_relayed(bool (*call)(int fd, const char *target));
/* Close those with the key. */
void held_drop(uint32_t key);
void held_end(void);
/* A descriptor of the network namespace of the container whose first process is `init`, or -1. */
int container_network(pid_t init);

/* ---- health.c ---- */

/* how: SET_HEALTH, whose times count from now. */
void health_begin(const struct step *how);
/* A pidfd to poll while a check is made, else -1. */
int health_fd(void);
/* Milliseconds until the next check, -1 for never. */
int64_t health_due(void);
/* Reap a check that has ended (its pidfd is readable), begin one that is due. */
void health_act(bool ended);

/* ---- relay_keeper.c ---- */

#define RELAY_PROGRAM "crunpy-relay" /* argv[0], by which main() knows what it is to be */
void relay_begin(pid_t init);
/* Connections to the socket `fd`, which listens, are passed on.  0 or a negated errno. */
int relay_listen(int fd, const char *target);
/* `fd` will be closed. */
void relay_forget(int fd);
/* To be polled for input, -1 for none: connections that wait for a relay, and its end. */
int relay_fd(void);
int relay_ended_fd(void);
void relay_act(bool ready, bool ended);
void relay_end(void);

/* ---- relay.c ---- */

/* Returns an exit status. */
int relay_main(void);

/* ---- group.c ---- */

void group_release(int pidfd); /* who stood in it until init was there ends; <= 0: nobody */
void group_begin(const char *path, const struct step *oom); /* there is a group, at `path`; oom: SET_OOM */
int group_fd(void); /* ready (POLLPRI) when something has happened in it, -1: never */
void group_act(void);
bool group_oom_killed(void); /* whether the kernel has killed something in it for its memory */
void group_remove(const char *path);

/* ---- notify.c ---- */

void notify_begin(const struct step *how); /* how: SET_NOTIFY, or none */
int notify_fd(void); /* ready when the container says something to systemd, -1: it cannot */
void notify_act(void);

/* ---- dns_keeper.c ---- */

/* how: SET_DNS; a responder for the container `id` begins. */
void dns_begin(const struct step *how, const char *id, pid_t init);
/* To poll while there is a responder, else -1. */
int dns_fd(void);
/* Milliseconds until the next one begins in the place of one that died, -1 for never. */
int64_t dns_due(void);
/* Hear what the responder wants, or that it died (its socket is readable); begin one that is due. */
void dns_act(bool ready);
/* The same while the container runs, unless there is one: words is directory, server …, each with a
 * NUL.  0, or a negated errno: then the descriptors are still the caller's. */
int dns_begin_late(const char *words, size_t n, int udp, int listener);
/* The responder is gone, and with it our hold on the container's network namespace. */
void dns_end(void);

/* ---- status.c ---- */

struct status {
	const char *id;
	int run_dir, state_dir; /* -1: none */
	pid_t pid;
	char started_at[40];
	bool starting, initialized, exited, oom_killed, restarting;
	int exit_code, signal; /* signal: that ended it, 0: it exited */
	int64_t log_lost;      /* entries that a full disk did not take, see log_lost() */
};
/* 0, or -errno when the run directory's copy could not be written: nobody would find the process. */
int status_write(struct status *status);
/* monitor.pid in the run directory, for systemd: our pid. */
void status_pid_file(const struct status *status);
/* RFC 3339 with nanoseconds, UTC; out holds 40 bytes. */
void now_rfc3339(char *out);
int64_t now_ms(void); /* of the monotonic clock */
/* Field 22 of /proc/PID/stat: when the process started, in clock ticks after boot. */
unsigned long long start_ticks(pid_t pid);

#endif
