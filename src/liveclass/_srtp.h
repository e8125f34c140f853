/* SRTP for one direction of one peer (RFC 3711; RFC 7714 for AES-GCM), by libcrypto: keys, rollover counters, packets.
 *
 * Knows no Python, socket, clock or thread; who calls keeps others out. Same bytes as libsrtp for the same packets, and so
 * its way of guessing a rollover counter too. Keys stand in `Keys` and in libcrypto's own memory and go with `keys_wipe`.
 * Never writes beyond a packet's end and MAX_TRAILER bytes; never reads beyond its end. What comes in is in _unprotect.h.
 */
#ifndef LIVECLASS_SRTP_H
#define LIVECLASS_SRTP_H

#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_*: a third of what EVP_MAC costs for each packet */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_TRAILER = 16,
    MAX_STREAMS = 4096,
    WINDOW = 1024, /* as transport/srtp.py */
    HEADER = 12,
    MEDIAN = 0x8000,
};

typedef struct {
    uint32_t ssrc;
    uint64_t index; /* rollover counter and sequence number of the furthest packet */
} Stream;

typedef struct {
    EVP_CIPHER_CTX *cipher; /* NULL once wiped */
    int gcm;
    unsigned char salt[16];
    SHA_CTX inner, outer; /* HMAC with its key taken in */
} Keys;

typedef struct {
    Keys keys;
    Stream *streams;
    size_t count, room;
} Srtp;

static void put16(unsigned char *at, uint16_t value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value) {
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static uint32_t get32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Session keys from the master's, RFC 3711 section 4.3 with a derivation rate of 0; a salt of 12 bytes is followed by
 * two zeros (RFC 7714 section 11). */
static int derive(const unsigned char *key, int key_size, const unsigned char *salt, unsigned char label,
                  unsigned char *out, int size) {
    unsigned char counter[16] = {0};
    int done = 0, ok;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    memcpy(counter, salt, 14);
    counter[7] ^= label;
    memset(out, 0, (size_t)size);
    ok = cipher != NULL &&
         EVP_EncryptInit_ex(cipher, key_size == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key, counter) == 1 &&
         EVP_EncryptUpdate(cipher, out, &done, out, size) == 1 && done == size;
    EVP_CIPHER_CTX_free(cipher);
    OPENSSL_cleanse(counter, sizeof counter);
    return ok;
}

static const struct {
    const char *name;
    int key, salt;
    const EVP_CIPHER *(*cipher)(void);
} profiles[] = {{"SRTP_AEAD_AES_128_GCM", 16, 12, EVP_aes_128_gcm},
                {"SRTP_AEAD_AES_256_GCM", 32, 12, EVP_aes_256_gcm},
                {"SRTP_AES128_CM_SHA1_80", 16, 14, EVP_aes_128_ctr}};

static int begin_hash(SHA_CTX *hash, const unsigned char *key, unsigned char mask) {
    unsigned char pad[64];
    for (int i = 0; i < 64; i++) pad[i] = (unsigned char)((i < 20 ? key[i] : 0) ^ mask);
    int ok = SHA1_Init(hash) && SHA1_Update(hash, pad, sizeof pad);
    OPENSSL_cleanse(pad, sizeof pad);
    return ok;
}

/* Session keys for one direction; `label`: 0 for RTP, 3 for RTCP (RFC 3711 section 4.3.1). NULL, or what is wrong with the
 * profile's name or the key (master key and salt). */
static const char *keys_begin(Keys *self, const char *profile, const unsigned char *key, size_t size,
                              unsigned char label, int encrypts) {
    unsigned char salt[14] = {0}, session[32], authentication[20];
    size_t kind = 0, kinds = sizeof profiles / sizeof *profiles;
    while (kind < kinds && strcmp(profile, profiles[kind].name) != 0) kind++;
    if (kind == kinds) return "no SRTP profile of that name";
    int key_size = profiles[kind].key, salt_size = profiles[kind].salt, ok;
    if (size != (size_t)(key_size + salt_size)) return "key and salt of another length";
    self->gcm = salt_size == 12;
    memcpy(salt, key + key_size, (size_t)salt_size);
    self->cipher = EVP_CIPHER_CTX_new();
    ok = self->cipher != NULL && derive(key, key_size, salt, label, session, key_size) &&
         derive(key, key_size, salt, (unsigned char)(label + 1), authentication, 20) &&
         derive(key, key_size, salt, (unsigned char)(label + 2), self->salt, salt_size) &&
         EVP_CipherInit_ex(self->cipher, profiles[kind].cipher(), NULL, session, NULL, encrypts) == 1 &&
         begin_hash(&self->inner, authentication, 0x36) && begin_hash(&self->outer, authentication, 0x5c);
    OPENSSL_cleanse(salt, sizeof salt);
    OPENSSL_cleanse(session, sizeof session);
    OPENSSL_cleanse(authentication, sizeof authentication);
    return ok ? NULL : "libcrypto made no cipher";
}

static void keys_wipe(Keys *self) {
    EVP_CIPHER_CTX_free(self->cipher); /* libcrypto wipes what it frees of a cipher */
    self->cipher = NULL;
    OPENSSL_cleanse(self->salt, sizeof self->salt);
    OPENSSL_cleanse(&self->inner, sizeof self->inner);
    OPENSSL_cleanse(&self->outer, sizeof self->outer);
}

/* The first 10 bytes of HMAC-SHA1 over a packet and the 4 bytes of its rollover counter, which do not travel (NULL: there
 * are none, as in SRTCP). */
static void authenticate(const Keys *self, const unsigned char *packet, size_t size, const unsigned char *counter,
                         unsigned char *tag) {
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA_CTX hash = self->inner;
    SHA1_Update(&hash, packet, size);
    if (counter != NULL) SHA1_Update(&hash, counter, 4);
    SHA1_Final(digest, &hash);
    hash = self->outer;
    SHA1_Update(&hash, digest, sizeof digest);
    SHA1_Final(digest, &hash);
    memcpy(tag, digest, 10);
    OPENSSL_cleanse(&hash, sizeof hash);
}

static const char *srtp_begin(Srtp *self, const char *profile, const unsigned char *key, size_t size) {
    return keys_begin(&self->keys, profile, key, size, 0, 1);
}

static void srtp_wipe(Srtp *self) {
    keys_wipe(&self->keys);
    free(self->streams);
    self->streams = NULL;
    self->count = self->room = 0;
}

/* NULL when there are too many, or after `srtp_wipe`. */
static Stream *srtp_stream(Srtp *self, uint32_t ssrc) {
    if (self->keys.cipher == NULL) return NULL;
    for (size_t i = 0; i < self->count; i++)
        if (self->streams[i].ssrc == ssrc) return &self->streams[i];
    if (self->count == self->room) {
        size_t room = self->room ? 2 * self->room : 4;
        Stream *more = room > MAX_STREAMS ? NULL : realloc(self->streams, room * sizeof *more);
        if (more == NULL) return NULL;
        self->streams = more;
        self->room = room;
    }
    self->streams[self->count] = (Stream){ssrc, 0};
    return &self->streams[self->count++];
}

/* Begin to fetch what `srtp_stream` and `srtp_protect` will look at first. */
static void srtp_prefetch(const Srtp *self) {
    __builtin_prefetch(self->streams);
    __builtin_prefetch(self->keys.cipher);
    __builtin_prefetch((const char *)self->keys.cipher + 64);
    __builtin_prefetch((const char *)self->keys.cipher + 128);
}

static void srtp_forget(Srtp *self, uint32_t ssrc) {
    for (size_t i = 0; i < self->count; i++)
        if (self->streams[i].ssrc == ssrc) {
            self->streams[i] = self->streams[--self->count];
            return;
        }
}

/* A packet's index, RFC 3711 section 3.3.1, `delta` from the furthest so far. */
static uint64_t guess_index(uint64_t furthest, uint16_t seq, int *delta) {
    uint64_t roc = furthest >> 16;
    int last = (int)(furthest & 0xFFFF);
    *delta = seq - last;
    /* libsrtp guesses only once half a cycle has passed: before, no packet is from before the first. */
    if (furthest > MEDIAN) {
        if (last < MEDIAN && *delta > MEDIAN) {
            roc--, *delta -= 0x10000;
        } else if (last >= MEDIAN && last - MEDIAN > seq) {
            roc++, *delta += 0x10000;
        }
    }
    return roc << 16 | seq;
}

/* The index of a packet that is sent; the stream goes on to it. 0: too old, or the counter used up. */
static int index_of(Stream *stream, uint16_t seq, uint64_t *index) {
    int delta;
    *index = guess_index(stream->index, seq, &delta);
    if (delta <= -WINDOW || *index >> 48) return 0;
    if (delta > 0) stream->index = *index;
    return 1;
}

/* Where the payload begins; 0 when the packet is shorter than it says. */
static size_t payload_at(const unsigned char *packet, size_t size) {
    size_t at = HEADER;
    if (size < HEADER) return 0;
    at += 4 * (size_t)(packet[0] & 0x0F);
    if (packet[0] & 0x10) {
        if (size < at + 4) return 0;
        at += 4 + 4 * (size_t)(packet[at + 2] << 8 | packet[at + 3]);
    }
    return at <= size ? at : 0;
}

/* The initial vector of a packet: RFC 7714 section 8.1 for AES-GCM, RFC 3711 section 4.1.1 for AES-CM. */
static void packet_iv(const Keys *self, const unsigned char *packet, const unsigned char *roc, unsigned char *iv) {
    int at = self->gcm ? 2 : 4;
    memset(iv, 0, 16);
    memcpy(iv + at, packet + 8, 4);
    memcpy(iv + at + 4, roc, 4);
    memcpy(iv + at + 8, packet + 2, 2);
    for (int i = 0; i < at + 10; i++) iv[i] ^= self->salt[i];
}

/* Protect `size` bytes where they stand; MAX_TRAILER bytes behind them must be ours. `stream`: of its SSRC, or NULL.
 * The new size; 0: refused. */
static size_t srtp_protect(Srtp *self, Stream *stream, unsigned char *packet, size_t size) {
    unsigned char iv[16], roc[4];
    Keys *keys = &self->keys;
    uint64_t index;
    size_t at = payload_at(packet, size);
    int done = 0, body;
    if (at == 0 || stream == NULL || !index_of(stream, (uint16_t)(packet[2] << 8 | packet[3]), &index)) return 0;
    body = (int)(size - at);
    put32(roc, (uint32_t)(index >> 16));
    packet_iv(keys, packet, roc, iv);
    if (EVP_EncryptInit_ex(keys->cipher, NULL, NULL, NULL, iv) != 1 ||
        (keys->gcm && EVP_EncryptUpdate(keys->cipher, NULL, &done, packet, (int)at) != 1) ||
        (body > 0 && EVP_EncryptUpdate(keys->cipher, packet + at, &done, packet + at, body) != 1))
        return 0;
    if (keys->gcm) {
        if (EVP_EncryptFinal_ex(keys->cipher, packet + size, &done) != 1 ||
            EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_GET_TAG, 16, packet + size) != 1)
            return 0;
        return size + 16;
    }
    authenticate(keys, packet, size, roc, packet + size);
    return size + 10;
}

#endif
