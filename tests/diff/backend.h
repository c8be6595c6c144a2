/* SPDX-License-Identifier: MIT */
#ifndef DIFF_BACKEND_H
#define DIFF_BACKEND_H

/*
 * A stack under test: Linux's, or penstock's engine.
 *
 * The script plays the client at 10.9.0.2; the stack answers for 10.9.0.1:80.
 * Behind it is an application: for Linux a socket, for penstock a server that
 * behaves as the same application on the same kernel would.
 */
#include "sim/spkt.h"

enum app_do {
	APP_WRITE,
	APP_SHUTDOWN, /* no more will be written */
	APP_CLOSE,    /* nor read */
	APP_RESET,
	APP_READ,    /* n = 1: read what comes (the default), 0: stop reading */
	APP_CONNECT, /* to the script's port n */
};

/**
 * struct backend - What a script needs of a stack
 * @key:    for the next start(): a key of penstock.conf by its text.  For Linux
 *          the sysctl or the socket option of that name.  False: no such key
 * @start:  a fresh listener; small: buffers of a few kilobytes
 * @give:   an IP packet from the client
 * @app:    the application acts
 * @run:    let @us of time pass, and hand every packet for the client to
 *          @out with the time since the beginning of this call (us)
 * @stop:   forget everything
 * @clock_ms: what timestamps count when they have no offset
 */
struct backend {
	const char *name;
	bool (*key)(const char *name, const char *value);
	void (*start)(bool small);
	void (*give)(const struct spkt *pkt);
	void (*app)(enum app_do what, uint32_t n);
	void (*run)(int64_t us,
		    void (*out)(const struct spkt *pkt, int64_t at_us));
	void (*stop)(void);
	uint32_t (*clock_ms)(void);
};

extern const struct backend backend_kernel, backend_engine;

#define DIFF_PORT 80
#define DIFF_SERVER         \
	{                   \
		10, 9, 0, 1 \
	}
#define DIFF_CLIENT         \
	{                   \
		10, 9, 0, 2 \
	}

#endif
