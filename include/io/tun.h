/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_TUN_H
#define PENSTOCK_IO_TUN_H

/*
 * The way out: one queue of a TUN device, with segmentation offload.
 */
#include <linux/virtio_net.h>

#include "io/counters.h"
#include "wire/packet.h"

/**
 * struct tun - An attached queue of a TUN device
 * @fd:   non-blocking; poll it for reading, see tun_discard()
 * @name: device name as the kernel gave it
 */
struct tun {
	int fd;
	char name[16];
};

/**
 * tun_open() - Attach to a device, making it when it does not exist, and see
 * that it is up
 * @t:    out
 * @name: device name; "%d" lets the kernel choose a number
 *
 * A device made here vanishes with its last descriptor; a persistent one
 * stays.  On failure one line that says what to do has been logged.
 * Return: 0 or -errno
 */
int tun_open(struct tun *t, const char *name);
/* Take over a queue of device @name that another process has attached. */
void tun_take(struct tun *t, const char *name, int fd);
void tun_close(struct tun *t);

/**
 * tun_fill_vnet_hdr() - Describe a packet to the kernel
 * Leaves segmentation to it when @tx has more payload than gso_size, and the
 * checksum unless it is complete.  Pure.
 */
void tun_fill_vnet_hdr(struct virtio_net_hdr *vh, const struct tx *tx);

/**
 * tun_send() - Write one packet
 *
 * Synchronous: when it returns, the packet has passed routing and stands in
 * the queue of the device it leaves by.  Packets written in order leave in
 * order.  A packet that finds no memory is lost and counted; TCP recovers.
 */
void tun_send(struct tun *t, const struct tx *tx, struct io_counters *c);

/**
 * tun_discard() - Read and drop what the kernel sends into the device
 *
 * Nothing should: no route leads there but by mistake.  Reads a bounded
 * number, so a stray flow cannot hold up the worker.
 * Return: 0, or -EBADFD when the device was removed, which is for good
 */
int tun_discard(struct tun *t, struct io_counters *c);

#endif
