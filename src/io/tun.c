/* SPDX-License-Identifier: MIT */
/*
 * Sending through a TUN device.
 *
 * Large packets are sent this way, and small ones that find no verdict to ride
 * in.  A write is synchronous up to the queue of the outgoing device, so the
 * segments of a leg cannot overtake each other.  Raw sockets were measured as a
 * third way for small packets.  They cost about 15% less than a write here and
 * a quarter more than a verdict.  They also need CAP_NET_RAW and rules for
 * local packets, so they are not used.
 *
 * The virtio-net header makes the kernel segment as late as it can (in the
 * card where it has TSO, otherwise just before it) and fill in the checksum.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/priv.h"
#include "io/tun.h"
#include "util/log.h"
#include "wire/frame.h"
#include "wire/segment.h"

#define DISCARD_MAX 64 /* packets of one call of tun_discard() */

static int set_up(const char *name)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	int err = 0;

	if (s < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(s, SIOCGIFFLAGS, &ifr))
		err = -errno;
	if (err || ifr.ifr_flags & IFF_UP)
		goto out;
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	if (ioctl(s, SIOCSIFFLAGS, &ifr))
		err = -errno;
out:
	close(s);
	return err;
}

static int attach(struct tun *t, const char *name)
{
	int vnet_len = sizeof(struct virtio_net_hdr);
	struct ifreq ifr = {0};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	if (ioctl(t->fd, TUNSETIFF, &ifr))
		return -errno;
	snprintf(t->name, sizeof(t->name), "%s", ifr.ifr_name);
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &vnet_len))
		return -errno;
	if (ioctl(t->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		return -errno;
	return 0;
}

int tun_open(struct tun *t, const char *name)
{
	int err;

	*t = (struct tun){.fd = -1};
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return priv_explain_tun(name, "open", -errno);
	err = attach(t, name);
	if (err) {
		priv_explain_tun(name, "attach", err);
		goto err_close;
	}
	err = set_up(t->name);
	if (err) {
		priv_explain_tun(name, "up", err);
		goto err_close;
	}
	return 0;

err_close:
	tun_close(t);
	return err;
}

void tun_take(struct tun *t, const char *name, int fd)
{
	t->fd = fd;
	snprintf(t->name, sizeof(t->name), "%s", name);
}

void tun_close(struct tun *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

void tun_fill_vnet_hdr(struct virtio_net_hdr *vh, const struct tx *tx)
{
	memset(vh, 0, sizeof(*vh));
	vh->hdr_len = tx->hdr_len;
	if (tx->csum_done)
		return;
	vh->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vh->csum_start = tx->l4_off;
	vh->csum_offset = TCP_AT_CSUM;
	if (!tx->gso_size || tx->payload <= tx->gso_size)
		return;
	vh->gso_size = tx->gso_size;
	vh->gso_type = tx->family == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
				       : VIRTIO_NET_HDR_GSO_TCPV4;
	/* CWR belongs to the first segment only (RFC 3168, 6.1.2). */
	if (frame_flags(tx->hdr + tx->l4_off) & TCP_CWR)
		vh->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

/* Log one line, however many packets fail; the counter has their number. */
static void report_error(const struct tun *t, struct io_counters *c, int err)
{
	if (err == EAGAIN || err == ENOBUFS || err == ENOMEM) {
		c->tx_lost++;
		return;
	}
	if (!c->tx_errors)
		log_warn("TUN %s: write: %s%s", t->name, strerror(err),
			 err == EIO ? " (is the device up?)" : "");
	c->tx_errors++;
}

void tun_send(struct tun *t, const struct tx *tx, struct io_counters *c)
{
	struct iovec iov[2 + TX_IOV_MAX];
	struct virtio_net_hdr vh;
	ssize_t n;

	tun_fill_vnet_hdr(&vh, tx);
	iov[0] = (struct iovec){&vh, sizeof(vh)};
	iov[1] = (struct iovec){(void *)(uintptr_t)tx->hdr, tx->hdr_len};
	memcpy(iov + 2, tx->iov, tx->niov * sizeof(iov[0]));
	do
		n = writev(t->fd, iov, 2 + tx->niov);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		report_error(t, c, errno);
		return;
	}
	c->tx_packets++;
	c->tx_bytes += tx->hdr_len + tx->payload;
	c->tx_gso += vh.gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

int tun_discard(struct tun *t, struct io_counters *c)
{
	uint8_t junk[64]; /* the rest is cut off */
	ssize_t n;
	int i;

	for (i = 0; i < DISCARD_MAX; i++) {
		n = read(t->fd, junk, sizeof(junk));
		if (n < 0 && errno == EBADFD)
			return -EBADFD;
		if (n < 0)
			break;
		c->tun_discarded++;
	}
	return 0;
}
