// A program in C: files, directories and what it gets from outside.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) printf("arg %s\n", argv[i]);
  printf("HOME %s\n", getenv("HOME") ? getenv("HOME") : "(none)");
  if (mkdir("/new", 0777)) return fail("mkdir");
  FILE *file = fopen("/new/file", "w");
  if (!file) return fail("fopen");
  for (int i = 0; i < 1000; i++) fprintf(file, "line %d\n", i);
  fclose(file);
  struct stat info;
  if (stat("/new/file", &info)) return fail("stat");
  printf("size %lld\n", (long long)info.st_size);
  if (rename("/new/file", "/new/moved")) return fail("rename");
  DIR *directory = opendir("/new");
  if (!directory) return fail("opendir");
  for (struct dirent *entry; (entry = readdir(directory));)
    if (entry->d_name[0] != '.') printf("entry %s\n", entry->d_name);
  closedir(directory);
  if (unlink("/new/moved") || rmdir("/new")) return fail("unlink");
  char line[100];
  while (fgets(line, sizeof line, stdin)) printf("stdin %s", line);
  return 7;
}
