/* SRTP and SRTCP from one peer (RFC 3711; RFC 7714 for AES-GCM): each packet once, and only what holds its keys made.
 *
 * Takes and refuses what libsrtp does, and gives back the same bytes. A packet is authenticated before anything of it is
 * kept: a forged one moves no window and takes no stream's room. Knows no Python, socket, clock or thread. Reads `size`
 * bytes of a packet and writes at most as many; what was refused may leave bytes in `out`, which are nobody's to read.
 */
#ifndef LIVECLASS_UNPROTECT_H
#define LIVECLASS_UNPROTECT_H

#include "_srtp.h"

enum {
    REPORTS = 128,   /* SRTCP packets that the window holds, as libsrtp's */
    RTCP_HEADER = 8, /* what of SRTCP is never encrypted */
    TRAILER = 4,     /* E bit and SRTCP index */
};

typedef struct {
    uint64_t furthest;                   /* rollover counter and sequence number of the furthest packet */
    uint64_t seen[WINDOW / 64];          /* the last WINDOW indices, each at its remainder; none from before 0 */
    uint64_t reports_seen[REPORTS / 64]; /* likewise of SRTCP indices, from `reports_begin` on */
    uint32_t reports_begin;
} Incoming;

typedef struct {
    Keys rtp, rtcp;
    uint32_t *names; /* SSRCs; `streams` has their state at the same places */
    Incoming *streams;
    size_t count, room, most;
} Unprotect;

static int bit_of(const uint64_t *bits, uint64_t at) {
    return (int)(bits[at / 64] >> at % 64 & 1);
}

static void set_bit(uint64_t *bits, uint64_t at) {
    bits[at / 64] |= (uint64_t)1 << at % 64;
}

static void clear_bit(uint64_t *bits, uint64_t at) {
    bits[at / 64] &= ~((uint64_t)1 << at % 64);
}

/* NULL, or what is wrong; `unprotect_wipe` is due in any case. */
static const char *unprotect_begin(Unprotect *self, const char *profile, const unsigned char *key, size_t size,
                                   size_t most) {
    const char *wrong = keys_begin(&self->rtp, profile, key, size, 0, 0);
    self->most = most;
    return wrong != NULL ? wrong : keys_begin(&self->rtcp, profile, key, size, 3, 0);
}

static void unprotect_wipe(Unprotect *self) {
    keys_wipe(&self->rtp);
    keys_wipe(&self->rtcp);
    free(self->names);
    free(self->streams);
    self->names = NULL;
    self->streams = NULL;
    self->count = self->room = 0;
}

static Incoming *incoming_of(Unprotect *self, uint32_t ssrc) {
    for (size_t i = 0; i < self->count; i++)
        if (self->names[i] == ssrc) return &self->streams[i];
    return NULL;
}

/* A stream for an SSRC of which a packet proved authentic; NULL where there is no memory. */
static Incoming *new_incoming(Unprotect *self, uint32_t ssrc) {
    if (self->count == self->room) {
        size_t room = self->room ? 2 * self->room : 4;
        uint32_t *names = realloc(self->names, room * sizeof *names);
        if (names != NULL) self->names = names;
        Incoming *streams = realloc(self->streams, room * sizeof *streams);
        if (streams != NULL) self->streams = streams;
        if (names == NULL || streams == NULL) return NULL;
        self->room = room;
    }
    self->names[self->count] = ssrc;
    memset(&self->streams[self->count], 0, sizeof *self->streams);
    return &self->streams[self->count++];
}

static void unprotect_forget(Unprotect *self, uint32_t ssrc) {
    Incoming *stream = incoming_of(self, ssrc);
    if (stream == NULL) return;
    self->count--;
    self->names[stream - self->streams] = self->names[self->count];
    *stream = self->streams[self->count];
}

/* Whether `size` bytes end in the tag that their keys make; AES-CM alone. */
static int is_tagged(const Keys *keys, const unsigned char *packet, size_t size, const unsigned char *counter) {
    unsigned char tag[10];
    authenticate(keys, packet, size, counter, tag);
    return CRYPTO_memcmp(tag, packet + size, sizeof tag) == 0;
}

/* Decrypt with AES-GCM and tell whether the tag is right; `more` (NULL: nothing) is authenticated behind `head`. */
static int open_gcm(const Keys *keys, const unsigned char *iv, const unsigned char *head, size_t head_size,
                    const unsigned char *more, const unsigned char *body, size_t body_size, const unsigned char *tag,
                    unsigned char *out) {
    unsigned char copy[16], end[16];
    int done = 0;
    memcpy(copy, tag, sizeof copy); /* libcrypto's parameter is not const */
    return EVP_DecryptInit_ex(keys->cipher, NULL, NULL, NULL, iv) == 1 &&
           EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_SET_TAG, sizeof copy, copy) == 1 &&
           EVP_DecryptUpdate(keys->cipher, NULL, &done, head, (int)head_size) == 1 &&
           (more == NULL || EVP_DecryptUpdate(keys->cipher, NULL, &done, more, TRAILER) == 1) &&
           (body_size == 0 || EVP_DecryptUpdate(keys->cipher, out, &done, body, (int)body_size) == 1) &&
           EVP_DecryptFinal_ex(keys->cipher, end, &done) == 1;
}

/* AES-CM: the same function both ways. */
static int open_ctr(const Keys *keys, const unsigned char *iv, const unsigned char *body, size_t size,
                    unsigned char *out) {
    int done = 0;
    return EVP_DecryptInit_ex(keys->cipher, NULL, NULL, NULL, iv) == 1 &&
           (size == 0 || EVP_DecryptUpdate(keys->cipher, out, &done, body, (int)size) == 1);
}

/* Note that a packet came, `delta` from the furthest. */
static void note_packet(Incoming *stream, uint64_t index, int delta) {
    if (delta >= WINDOW) memset(stream->seen, 0, sizeof stream->seen);
    for (int i = 1; i <= delta && delta < WINDOW; i++) clear_bit(stream->seen, (stream->furthest + (unsigned)i) % WINDOW);
    if (delta > 0) stream->furthest = index;
    set_bit(stream->seen, index % WINDOW);
}

/* The RTP packet in `packet`, written to `out`, which has room for `size` bytes: its size; 0 when it is forged, replayed,
 * too old, malformed, or of one stream too many. */
static size_t unprotect_rtp(Unprotect *self, const unsigned char *packet, size_t size, unsigned char *out) {
    static const Incoming nothing;
    const Keys *keys = &self->rtp;
    const size_t tag = keys->gcm ? 16 : 10, at = payload_at(packet, size);
    unsigned char iv[16], roc[4];
    int delta;
    if (keys->cipher == NULL || at == 0 || size - at < tag) return 0;
    uint32_t ssrc = get32(packet + 8);
    Incoming *stream = incoming_of(self, ssrc);
    if (stream == NULL && self->count >= self->most) return 0;
    const Incoming *known = stream != NULL ? stream : &nothing;
    uint64_t index = guess_index(known->furthest, (uint16_t)(packet[2] << 8 | packet[3]), &delta);
    if (delta <= -WINDOW || index >> 48 || (delta <= 0 && bit_of(known->seen, index % WINDOW))) return 0;
    size_t body = size - at - tag;
    put32(roc, (uint32_t)(index >> 16));
    packet_iv(keys, packet, roc, iv);
    if (keys->gcm ? !open_gcm(keys, iv, packet, at, NULL, packet + at, body, packet + at + body, out + at)
                  : !is_tagged(keys, packet, at + body, roc) || !open_ctr(keys, iv, packet + at, body, out + at))
        return 0;
    if (stream == NULL && (stream = new_incoming(self, ssrc)) == NULL) return 0;
    note_packet(stream, index, delta);
    memcpy(out, packet, at);
    return at + body;
}

/* Whether an SRTCP index is one that did not come yet, and not too old. */
static int is_new_report(const Incoming *stream, uint32_t index) {
    if (index >= stream->reports_begin + REPORTS) return 1;
    return index >= stream->reports_begin && !bit_of(stream->reports_seen, index % REPORTS);
}

static void note_report(Incoming *stream, uint32_t index) {
    uint32_t end = stream->reports_begin + REPORTS; /* indices have 31 bits */
    if (index >= end) {
        if (index - end >= REPORTS - 1) memset(stream->reports_seen, 0, sizeof stream->reports_seen);
        for (uint32_t i = end; i <= index && index - end < REPORTS - 1; i++) clear_bit(stream->reports_seen, i % REPORTS);
        stream->reports_begin = index - (REPORTS - 1);
    }
    set_bit(stream->reports_seen, index % REPORTS);
}

/* The compound RTCP packet in `packet`, as `unprotect_rtp`. */
static size_t unprotect_rtcp(Unprotect *self, const unsigned char *packet, size_t size, unsigned char *out) {
    static const Incoming nothing;
    const Keys *keys = &self->rtcp;
    const size_t tag = keys->gcm ? 16 : 10;
    unsigned char iv[16] = {0};
    if (keys->cipher == NULL || size < RTCP_HEADER + tag + TRAILER) return 0;
    const size_t plain = size - tag - TRAILER, body = plain - RTCP_HEADER;
    /* With AES-GCM the tag stands before the trailer, with AES-CM behind it. */
    const unsigned char *trailer = packet + (keys->gcm ? size - TRAILER : plain);
    uint32_t ssrc = get32(packet + 4), index = get32(trailer) & 0x7FFFFFFF;
    int encrypted = trailer[0] >> 7, ok;
    Incoming *stream = incoming_of(self, ssrc);
    if ((stream == NULL && self->count >= self->most) || !is_new_report(stream != NULL ? stream : &nothing, index))
        return 0;
    int ssrc_at = keys->gcm ? 2 : 4, index_at = keys->gcm ? 8 : 10; /* RFC 7714 section 9.1, RFC 3711 section 4.1.1 */
    put32(iv + ssrc_at, ssrc);
    put32(iv + index_at, index);
    for (int i = 0; i < index_at + 4; i++) iv[i] ^= keys->salt[i];
    if (!keys->gcm) {
        ok = encrypted && is_tagged(keys, packet, plain + TRAILER, NULL) &&
             open_ctr(keys, iv, packet + RTCP_HEADER, body, out + RTCP_HEADER);
    } else if (encrypted) {
        ok = open_gcm(keys, iv, packet, RTCP_HEADER, trailer, packet + RTCP_HEADER, body, packet + plain,
                      out + RTCP_HEADER);
    } else {
        ok = open_gcm(keys, iv, packet, plain, trailer, NULL, 0, packet + plain, NULL);
    }
    if (!ok || (stream == NULL && (stream = new_incoming(self, ssrc)) == NULL)) return 0;
    note_report(stream, index);
    memcpy(out, packet, encrypted ? RTCP_HEADER : plain);
    return plain;
}

#endif
