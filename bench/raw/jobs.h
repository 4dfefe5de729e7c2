// What the program can be asked to do.

#ifndef RAW_JOBS_H
#define RAW_JOBS_H

#include "nic.h"

struct job;

uint8_t *read_file(const char *path, uint32_t *length);
uint32_t read_hex(const char *text, uint8_t *bytes, uint32_t most);

// Sends a frame as fast as it can and drops what comes, until it is told to end.
void generate(struct nic *nic, const uint8_t *frame, uint32_t length);
// Runs rxdrop, l2fwd or txonly for some seconds and prints what came of it as a line of JSON.
void measure_packets(struct nic *nic, const char *name, double seconds, const uint8_t *frame, uint32_t length);
// Answers requests without a stack until it is told to end.
void answer(struct nic *nic, uint32_t own, uint16_t port, uint32_t request_bytes, const uint8_t *reply,
            uint32_t reply_bytes);
// Reads the words of a load; says what is wrong with them and returns 0 when they are none.
int read_load(struct job *job, uint32_t client, char **words);
// Loads a server, and prints what came of it as a line of JSON; of idle connections, once for each time that they are asked.
void run_load(struct nic *nic, const struct job *job);

#endif
