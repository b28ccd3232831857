/* exec.c: the last step: the command is executed, or it is told what is missing.  Runs in init. */
#define _GNU_SOURCE
#include "core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *environment(char *const *env, const char *name)
{
	size_t n = strlen(name);
	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* The interpreter of a script: the first word behind "#!" (execve(2)). */
static void script_interpreter(const char *line, size_t n, char out[ABOUT])
{
	size_t at = 2, length = 0;
	while (at < n && (line[at] == ' ' || line[at] == '\t'))
		at++;
	while (at < n && length < ABOUT - 1 && line[at] && !strchr(" \t\n", line[at]))
		out[length++] = line[at++];
	out[length] = '\0';
}

/* The loader of a program, elf(5). */
static void program_interpreter(int fd, const Elf64_Ehdr *head, char out[ABOUT])
{
	Elf64_Phdr part;
	for (int i = 0; i < head->e_phnum; i++) {
		off_t at = (off_t)(head->e_phoff + (uint64_t)i * sizeof(part));
		if (pread(fd, &part, sizeof(part), at) != sizeof(part))
			return;
		if (part.p_type == PT_INTERP && part.p_filesz > 0 && part.p_filesz < ABOUT &&
		    pread(fd, out, part.p_filesz, (off_t)part.p_offset) != (ssize_t)part.p_filesz)
			out[0] = '\0';
	}
}

/* What execve(2) says of an interpreter, it says of `file`: which one `file` wants, if it is a
 * file that could be executed. */
static void find_interpreter(const char *file, char out[ABOUT])
{
	union {
		Elf64_Ehdr head;
		char line[ABOUT];
	} start = { 0 };
	struct stat st;
	int fd = faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) ? -1 : open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = fstat(fd, &st) || !S_ISREG(st.st_mode) ? -1 : read(fd, &start, sizeof(start));
	if (n > 2 && !memcmp(start.line, "#!", 2))
		script_interpreter(start.line, (size_t)n, out);
	else if (n >= (ssize_t)sizeof(start.head) && !memcmp(start.line, ELFMAG, SELFMAG) &&
		 start.head.e_ident[EI_CLASS] == ELFCLASS64)
		program_interpreter(fd, &start.head, out);
	close(fd);
}

static bool is_directory(const char *file)
{
	struct stat st;
	return !stat(file, &st) && S_ISDIR(st.st_mode);
}

/* A negated errno; the interpreter that it is about goes to init->about. */
static int exec_file(struct init *init, const char *file, char *const *argv)
{
	execve(file, argv, init->env);
	int error = errno;
	if (error == EACCES && is_directory(file))
		error = EISDIR;
	if (error == ENOENT || error == EACCES)
		find_interpreter(file, init->about);
	return -error;
}

typedef int (*file_function)(struct init *, const char *, char *const *);

/* Call `act` for the command's file, or for one after the other that PATH leads to, until one is none
 * that is missing. */
static int search(struct init *init, char *const *argv, file_function act)
{
	char file[PATH_MAX];
	const char *path = environment(init->env, "PATH");
	int error = -ENOENT;
	if (!*argv[0])
		return -ENOENT;
	if (strchr(argv[0], '/'))
		return act(init, argv[0], argv);
	for (const char *at = path ? path : "/bin:/usr/bin"; *at;) {
		size_t n = strcspn(at, ":");
		/* an empty part would mean the working directory: passed over */
		if (n && snprintf(file, sizeof(file), "%.*s/%s", (int)n, at, argv[0]) < (int)sizeof(file)) {
			int found = act(init, file, argv);
			if (found != -ENOENT && found != -ENOTDIR && found != -EISDIR)
				error = found;
			if (*init->about || (found != -ENOENT && found != -ENOTDIR && found != -EISDIR && found != -EACCES))
				return found;
		}
		at += n + (at[n] == ':');
	}
	return error;
}

/* As execve(2) of `file` would fail, as far as that can be told beforehand. */
static int check_file(struct init *init, const char *file, char *const *argv)
{
	(void)argv;
	if (is_directory(file))
		return -EISDIR;
	if (faccessat(AT_FDCWD, file, X_OK, AT_EACCESS))
		return -errno;
	char interpreter[ABOUT] = "";
	find_interpreter(file, interpreter);
	if (!*interpreter || !faccessat(AT_FDCWD, interpreter, F_OK, AT_EACCESS))
		return 0;
	memcpy(init->about, interpreter, sizeof(interpreter));
	return -errno;
}

int step_keep(struct init *init, const struct step *s)
{
	if (init->n_kept == MAX_KEPT)
		return -EMFILE;
	init->kept[init->n_kept++] = (int)s->a;
	return 0;
}

/* Those of --preserve-fds become 3, 4 …; launch.py has given them numbers above all others. */
static int place_kept(struct init *init)
{
	if (!init->n_kept)
		return 0;
	if (init->report >= 0 && (init->report = fcntl(init->report, F_DUPFD_CLOEXEC, 3 + init->n_kept)) < 0)
		return -errno;
	for (int i = 0; i < init->n_kept; i++)
		if (dup2(init->kept[i], 3 + i) < 0)
			return -errno;
	return 0;
}

int step_exec(struct init *init, const struct step *s)
{
	if (!s->n)
		return -EINVAL;
	int placed = place_kept(init);
	if (placed)
		return placed;
	/* every other descriptor above stdio ends here, ours and our caller's (CVE-2024-21626) */
	if (close_fds((unsigned)(3 + init->n_kept), ~0U, true))
		return -errno;
	/* the container's life no longer hangs on its monitor's */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	char **argv = step_argv(s);
	int error = argv ? search(init, argv, exec_file) : -ENOMEM;
	free(argv);
	return error;
}

int exec_check(struct init *init, const struct step *s)
{
	char **argv = s->n ? step_argv(s) : NULL;
	int error = argv ? search(init, argv, check_file) : -EINVAL;
	free(argv);
	return error;
}
