/* liveclass._fanout: packets of one wake-up to a table of receivers, in one call.
 *
 * The native half of `liveclass.relay.fanout.forward`, which says what each step is for; both put the same bytes on the
 * wire. It decides nothing and remembers three things alone: keys, how far each stream has come, what waits to be sent.
 *
 * Contract
 *
 *   Protector(profile, key)
 *       SRTP for one peer (RFC 3711; RFC 7714 for AES-GCM): `key` is master key and salt, as DTLS gives them. A packet
 *       may be protected again under its number, so the caller must repeat it byte for byte. At most MAX_STREAMS SSRCs.
 *       Keys are copied into memory of this module and libcrypto, have no way out of it, and are wiped by `close()`
 *       or with the object.
 *       protect(packet) -> bytes, or None when it is malformed, too old, too long, or the protector closed
 *       remove_stream(ssrc): its packets start anew, with rollover counter 0
 *       close(): twice is harmless; while a batch is under way its keys go when the batch is done
 *
 *   Ring(fd, segments)
 *       What waits to be sent on one non-blocking UDP socket; `segments`: the kernel may be given runs (UDP_SEGMENT).
 *       forward(packets, entries, now) -> packets that could not be protected
 *           packets: at most MAX_TOGETHER of (bytes, number, timestamp)
 *           entries: (Protector, kernel address, number offset, timestamp offset, SSRC, log or None)
 *           Sends only when the ring is full. A log gets (first number, time of leaving, packets) in `runs`, and its
 *           `next` goes on. Raises TypeError or ValueError, before anything is queued, when an argument has another form.
 *       flush() -> (datagrams sent, bytes sent, datagrams dropped) since it was last called
 *       close(): what waits is dropped, and the socket not used again
 *       waiting, segments, leaves_at; full, oversize, partial, calls: see the members' words below
 *
 * Threads: the interpreter lock is released while packets are protected and sent. One ring works for one thread, and a
 * protector for one ring, at a time: others get RuntimeError. Arguments are held, so a receiver may be removed meanwhile.
 *
 * Lengths: a datagram never exceeds MAX_DATAGRAM; room for a whole entry is made before it is written; an address is a
 * sockaddr_in or sockaddr_in6 and nothing else; the header's own lengths (CSRCs, extension) are checked against the packet.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_*: a third of what EVP_MAC costs for each packet */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    MAX_DATAGRAM = 2048,                    /* as transport/srtp.py */
    MAX_PACKET = MAX_DATAGRAM - 20,         /* likewise */
    MAX_TRAILER = 16,
    MAX_TOGETHER = 16,                      /* as relay/fanout.py */
    MAX_STREAMS = 4096,
    NUMBER_AT = 17,                         /* as relay/fanout.py */
    WINDOW = 1024,                          /* as transport/srtp.py */
    MESSAGES = 256,                         /* of one sendmmsg; longer rings leave the processor's cache */
    MEMORY = 256 * 1024,
    SLACK = MAX_DATAGRAM,                   /* what a refused packet may write behind the last one */
    HEADER = 12,
    MEDIAN = 0x8000,
};

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

typedef struct {
    uint32_t ssrc;
    uint64_t index; /* rollover counter and sequence number of the furthest packet */
} Stream;

typedef struct {
    PyObject_HEAD
    EVP_CIPHER_CTX *cipher; /* NULL once closed */
    int gcm, closed;
    unsigned char salt[16];
    SHA_CTX inner, outer; /* HMAC with its key taken in */
    Stream *streams;
    Py_ssize_t count, room;
    void *user; /* the ring that works with it without the interpreter lock */
} Protector;

typedef struct {
    struct iovec vector;
    union {
        struct cmsghdr head;
        unsigned char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control;
    union {
        struct sockaddr any;
        struct sockaddr_in6 largest;
    } name;
    unsigned count;   /* datagrams */
    uint16_t segment; /* bytes of all but the last */
} Message;

typedef struct {
    PyObject_HEAD
    int fd;
    char busy, segments;
    unsigned messages, datagrams; /* that wait */
    size_t used;
    struct mmsghdr *headers;
    Message *parts;
    unsigned char *memory;
    double leaves_at;
    unsigned long long sent, octets, dropped, full, oversize, partial, calls;
} Ring;

typedef struct {
    const unsigned char *bytes;
    size_t size;
    uint16_t seq;
    uint32_t time;
} Packet;

typedef struct {
    Protector *protector;
    const unsigned char *name;
    socklen_t name_size;
    uint16_t seq;
    uint32_t time, ssrc;
    PyObject *log, *number; /* NULL without; `number` is owned */
    uint16_t low;           /* of the number */
    double at;
} Row;

static PyTypeObject *protector_type;
static PyObject *name_next, *name_runs, *name_append;

static void put16(unsigned char *at, uint16_t value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value) {
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

/* SRTP ----------------------------------------------------------------------------------------------------------- */

/* Session keys from the master's, RFC 3711 section 4.3 with a derivation rate of 0; a salt of 12 bytes is followed by two
 * zeros (RFC 7714 section 11). */
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

static int set_keys(Protector *self, const char *profile, const unsigned char *key, Py_ssize_t size) {
    unsigned char salt[14] = {0}, session[32], authentication[64] = {0}, pad[64];
    int key_size, salt_size, ok;
    const EVP_CIPHER *kind;
    if (strcmp(profile, "SRTP_AEAD_AES_128_GCM") == 0) {
        key_size = 16, salt_size = 12, kind = EVP_aes_128_gcm();
    } else if (strcmp(profile, "SRTP_AEAD_AES_256_GCM") == 0) {
        key_size = 32, salt_size = 12, kind = EVP_aes_256_gcm();
    } else if (strcmp(profile, "SRTP_AES128_CM_SHA1_80") == 0) {
        key_size = 16, salt_size = 14, kind = EVP_aes_128_ctr();
    } else {
        PyErr_Format(PyExc_ValueError, "no SRTP profile: %s", profile);
        return 0;
    }
    if (size != key_size + salt_size) {
        PyErr_Format(PyExc_ValueError, "%s takes a key and salt of %d bytes", profile, key_size + salt_size);
        return 0;
    }
    self->gcm = salt_size == 12;
    memcpy(salt, key + key_size, (size_t)salt_size);
    self->cipher = EVP_CIPHER_CTX_new();
    ok = self->cipher != NULL && derive(key, key_size, salt, 0, session, key_size) &&
         derive(key, key_size, salt, 1, authentication, 20) && derive(key, key_size, salt, 2, self->salt, salt_size) &&
         EVP_EncryptInit_ex(self->cipher, kind, NULL, session, NULL) == 1;
    if (ok && !self->gcm) {
        for (int i = 0; i < 64; i++) pad[i] = authentication[i] ^ 0x36;
        ok = SHA1_Init(&self->inner) && SHA1_Update(&self->inner, pad, 64);
        for (int i = 0; i < 64; i++) pad[i] = authentication[i] ^ 0x5c;
        ok = ok && SHA1_Init(&self->outer) && SHA1_Update(&self->outer, pad, 64);
        OPENSSL_cleanse(pad, sizeof pad);
    }
    OPENSSL_cleanse(salt, sizeof salt);
    OPENSSL_cleanse(session, sizeof session);
    OPENSSL_cleanse(authentication, sizeof authentication);
    if (!ok) PyErr_SetString(PyExc_MemoryError, "libcrypto made no cipher");
    return ok;
}

static void wipe(Protector *self) {
    EVP_CIPHER_CTX_free(self->cipher); /* libcrypto wipes what it frees of a cipher */
    self->cipher = NULL;
    OPENSSL_cleanse(self->salt, sizeof self->salt);
    OPENSSL_cleanse(&self->inner, sizeof self->inner);
    OPENSSL_cleanse(&self->outer, sizeof self->outer);
    free(self->streams);
    self->streams = NULL;
    self->count = self->room = 0;
}

static Stream *stream_of(Protector *self, uint32_t ssrc) {
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (self->streams[i].ssrc == ssrc) return &self->streams[i];
    if (self->count == self->room) {
        Py_ssize_t room = self->room ? 2 * self->room : 4;
        Stream *more = room > MAX_STREAMS ? NULL : realloc(self->streams, (size_t)room * sizeof *more);
        if (more == NULL) return NULL;
        self->streams = more;
        self->room = room;
    }
    self->streams[self->count] = (Stream){ssrc, 0};
    return &self->streams[self->count++];
}

/* The packet's index, RFC 3711 section 3.3.1; the stream goes on to it. 0 when it is too old, or the counter used up. */
static int index_of(Stream *stream, uint16_t seq, uint64_t *index) {
    uint64_t roc = stream->index >> 16;
    int last = (int)(stream->index & 0xFFFF), delta = seq - last;
    /* libsrtp guesses only once half a cycle has passed: before, no packet is from before the first. */
    if (stream->index > MEDIAN) {
        if (last < MEDIAN && delta > MEDIAN) {
            roc--, delta -= 0x10000;
        } else if (last >= MEDIAN && last - MEDIAN > seq) {
            roc++, delta += 0x10000;
        }
    }
    *index = roc << 16 | seq;
    if (delta <= -WINDOW || roc >> 32) return 0;
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

/* Protect `size` bytes where they stand; MAX_TRAILER bytes behind them must be ours. The new size; 0: refused. */
static size_t protect_in(Protector *self, Stream *stream, unsigned char *packet, size_t size) {
    unsigned char iv[16] = {0}, digest[SHA_DIGEST_LENGTH], roc[4];
    uint64_t index;
    size_t at = payload_at(packet, size);
    int done = 0, body;
    if (at == 0 || stream == NULL || !index_of(stream, (uint16_t)(packet[2] << 8 | packet[3]), &index)) return 0;
    body = (int)(size - at);
    put32(roc, (uint32_t)(index >> 16));
    if (self->gcm) { /* RFC 7714 section 8.1 */
        memcpy(iv + 2, packet + 8, 4);
        memcpy(iv + 6, roc, 4);
        memcpy(iv + 10, packet + 2, 2);
        for (int i = 0; i < 12; i++) iv[i] ^= self->salt[i];
        if (EVP_EncryptInit_ex(self->cipher, NULL, NULL, NULL, iv) != 1 ||
            EVP_EncryptUpdate(self->cipher, NULL, &done, packet, (int)at) != 1 ||
            (body > 0 && EVP_EncryptUpdate(self->cipher, packet + at, &done, packet + at, body) != 1) ||
            EVP_EncryptFinal_ex(self->cipher, packet + size, &done) != 1 ||
            EVP_CIPHER_CTX_ctrl(self->cipher, EVP_CTRL_AEAD_GET_TAG, 16, packet + size) != 1)
            return 0;
        return size + 16;
    }
    memcpy(iv + 4, packet + 8, 4); /* RFC 3711 sections 4.1.1 and 4.2 */
    memcpy(iv + 8, roc, 4);
    memcpy(iv + 12, packet + 2, 2);
    for (int i = 0; i < 14; i++) iv[i] ^= self->salt[i];
    if (EVP_EncryptInit_ex(self->cipher, NULL, NULL, NULL, iv) != 1 ||
        (body > 0 && EVP_EncryptUpdate(self->cipher, packet + at, &done, packet + at, body) != 1))
        return 0;
    SHA_CTX hash = self->inner;
    SHA1_Update(&hash, packet, size);
    SHA1_Update(&hash, roc, 4);
    SHA1_Final(digest, &hash);
    hash = self->outer;
    SHA1_Update(&hash, digest, sizeof digest);
    SHA1_Final(digest, &hash);
    memcpy(packet + size, digest, 10);
    OPENSSL_cleanse(&hash, sizeof hash);
    return size + 10;
}

/* The ring ------------------------------------------------------------------------------------------------------- */

/* A refused run's datagrams, or one datagram, without UDP_SEGMENT. */
static void send_singly(Ring *self, const Message *part) {
    unsigned char *at = part->vector.iov_base;
    size_t left = part->vector.iov_len;
    for (unsigned i = 0; i < part->count; i++) {
        size_t size = i + 1 < part->count ? part->segment : left;
        ssize_t done;
        do {
            done = sendto(self->fd, at, size, 0, &part->name.any,
                          part->name.any.sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
            self->calls++;
        } while (done < 0 && errno == EINTR);
        if (done >= 0) {
            self->sent++;
        } else {
            self->dropped++;
            self->octets -= size;
            if (errno == EMSGSIZE) self->oversize++;
            if (errno == EAGAIN || errno == ENOBUFS) self->full++;
        }
        at += size;
        left -= size;
    }
}

/* Send what waits. A refused datagram is dropped and counted; the others still go. */
static void send_all(Ring *self) {
    unsigned begin = 0, messages = self->messages;
    struct timespec now;
    if (messages == 0) return;
    while (begin < messages) {
        int done = sendmmsg(self->fd, self->headers + begin, messages - begin, 0);
        self->calls++;
        if (done > 0) {
            if ((unsigned)done < messages - begin) self->partial++;
            for (int i = 0; i < done; i++) self->sent += self->parts[begin++].count;
        } else if (done < 0 && errno == EINTR) {
            continue;
        } else if (done < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
            for (; begin < messages; begin++) {
                self->dropped += self->parts[begin].count;
                self->full += self->parts[begin].count;
            }
        } else {
            if (self->parts[begin].count > 1) {
                /* The path takes no runs (a small MTU, a device without checksums): from now on one by one. */
                self->segments = 0;
                send_singly(self, &self->parts[begin]);
            } else {
                self->dropped++;
                if (done < 0 && errno == EMSGSIZE) self->oversize++;
            }
            begin++;
        }
    }
    self->messages = self->datagrams = 0;
    self->used = 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    self->leaves_at = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static Message *new_message(Ring *self, const Row *row, unsigned char *at) {
    struct msghdr *header = &self->headers[self->messages].msg_hdr;
    Message *part = &self->parts[self->messages++];
    memcpy(&part->name, row->name, row->name_size);
    part->vector.iov_base = at;
    part->vector.iov_len = 0;
    part->count = 0;
    header->msg_name = &part->name;
    header->msg_namelen = row->name_size;
    header->msg_iov = &part->vector;
    header->msg_iovlen = 1;
    header->msg_control = NULL;
    header->msg_controllen = 0;
    return part;
}

static void segment_in(Ring *self, Message *part, uint16_t size) {
    struct msghdr *header = &self->headers[part - self->parts].msg_hdr;
    part->segment = size;
    part->control.head.cmsg_len = CMSG_LEN(sizeof size);
    part->control.head.cmsg_level = SOL_UDP;
    part->control.head.cmsg_type = UDP_SEGMENT;
    memcpy(CMSG_DATA(&part->control.head), &size, sizeof size);
    header->msg_control = &part->control;
    header->msg_controllen = sizeof part->control.bytes;
}

/* Without the interpreter lock. The packets that could not be protected. */
static Py_ssize_t fill(Ring *self, const Packet *packets, Py_ssize_t count, Row *rows, Py_ssize_t receivers, double now) {
    Py_ssize_t failed = 0;
    size_t bytes = 0;
    for (Py_ssize_t i = 0; i < count; i++) bytes += packets[i].size + MAX_TRAILER;
    for (Row *row = rows; row < rows + receivers; row++) {
        if (self->used + bytes > MEMORY || self->messages + (size_t)count > MESSAGES) {
            send_all(self);
            if (self->leaves_at > now) now = self->leaves_at;
        }
        Protector *protector = row->protector;
        Stream *stream = protector->cipher != NULL ? stream_of(protector, row->ssrc) : NULL;
        Message *part = NULL;
        size_t run = 0; /* the size of all but the last datagram of the run that is open, 0 when none is */
        uint16_t number = row->low;
        row->at = now;
        for (const Packet *packet = packets; packet < packets + count; packet++) {
            unsigned char *at = self->memory + self->used;
            size_t size = 0;
            if (packet->size <= MAX_PACKET) {
                memcpy(at, packet->bytes, packet->size);
                put16(at + 2, (uint16_t)(packet->seq + row->seq));
                put32(at + 4, packet->time + row->time);
                put32(at + 8, row->ssrc);
                if (row->log != NULL) put16(at + NUMBER_AT, number);
                size = protect_in(protector, stream, at, packet->size);
            }
            number++;
            if (size == 0) {
                failed++;
                run = 0;
                continue;
            }
            self->used += size;
            self->datagrams++;
            self->octets += size;
            if (part != NULL && size <= run) {
                if (part->count == 1) segment_in(self, part, (uint16_t)run);
                if (size < run) run = 0;
            } else {
                part = new_message(self, row, at);
                run = self->segments ? size : 0;
            }
            part->vector.iov_len += size;
            part->count++;
        }
    }
    return failed;
}

/* Reading the arguments ------------------------------------------------------------------------------------------- */

static int low_bits(PyObject *number, uint64_t *out) {
    *out = PyLong_AsUnsignedLongLongMask(number);
    return !(*out == (uint64_t)-1 && PyErr_Occurred());
}

static int read_packet(PyObject *item, Packet *out) {
    uint64_t seq, time;
    char *bytes;
    Py_ssize_t size;
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 3) {
        PyErr_SetString(PyExc_TypeError, "a packet is (bytes, number, timestamp)");
        return 0;
    }
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(item, 0), &bytes, &size) < 0 ||
        !low_bits(PyTuple_GetItem(item, 1), &seq) || !low_bits(PyTuple_GetItem(item, 2), &time))
        return 0;
    /* What is too long is refused receiver by receiver; it takes no room. */
    *out = (Packet){(unsigned char *)bytes, (size_t)size, (uint16_t)seq, (uint32_t)time};
    return 1;
}

static int read_entry(PyObject *item, Row *out) {
    uint64_t seq, time, ssrc;
    char *name;
    Py_ssize_t size;
    sa_family_t family = AF_UNSPEC;
    PyObject *log;
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 6 || !PyObject_TypeCheck(PyTuple_GetItem(item, 0), protector_type)) {
        PyErr_SetString(PyExc_TypeError, "an entry is (Protector, address, number offset, time offset, SSRC, log)");
        return 0;
    }
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(item, 1), &name, &size) < 0 ||
        !low_bits(PyTuple_GetItem(item, 2), &seq) || !low_bits(PyTuple_GetItem(item, 3), &time) ||
        !low_bits(PyTuple_GetItem(item, 4), &ssrc))
        return 0;
    if (size >= (Py_ssize_t)sizeof family) memcpy(&family, name, sizeof family);
    if (!(size == sizeof(struct sockaddr_in) && family == AF_INET) &&
        !(size == sizeof(struct sockaddr_in6) && family == AF_INET6)) {
        PyErr_SetString(PyExc_ValueError, "an address is a sockaddr_in or sockaddr_in6");
        return 0;
    }
    log = PyTuple_GetItem(item, 5);
    *out = (Row){.protector = (Protector *)PyTuple_GetItem(item, 0),
                 .name = (unsigned char *)name,
                 .name_size = (socklen_t)size,
                 .seq = (uint16_t)seq,
                 .time = (uint32_t)time,
                 .ssrc = (uint32_t)ssrc,
                 .log = log == Py_None ? NULL : log};
    return 1;
}

/* Take numbers from a log for `count` packets; they count as sent from here on. */
static int take_numbers(Row *row, PyObject *count) {
    uint64_t low;
    PyObject *next;
    row->number = PyObject_GetAttr(row->log, name_next);
    if (row->number == NULL || !low_bits(row->number, &low)) return 0;
    row->low = (uint16_t)low;
    next = PyNumber_Add(row->number, count);
    if (next == NULL || PyObject_SetAttr(row->log, name_next, next) < 0) {
        Py_XDECREF(next);
        return 0;
    }
    Py_DECREF(next);
    return 1;
}

static int note_run(const Row *row, PyObject *packets) {
    PyObject *runs = PyObject_GetAttr(row->log, name_runs), *at = PyFloat_FromDouble(row->at), *run = NULL, *done = NULL;
    if (runs != NULL && at != NULL) run = PyTuple_Pack(3, row->number, at, packets);
    if (run != NULL) done = PyObject_CallMethodObjArgs(runs, name_append, run, NULL);
    Py_XDECREF(run);
    Py_XDECREF(at);
    Py_XDECREF(runs);
    Py_XDECREF(done);
    return done != NULL;
}

static int is_free(const Protector *protector) {
    if (protector->user == NULL) return 1;
    PyErr_SetString(PyExc_RuntimeError, "the protector works for another thread");
    return 0;
}

static int enter(Ring *self) {
    if (self->busy || self->fd < 0) {
        PyErr_SetString(PyExc_RuntimeError, self->busy ? "the ring works for another thread" : "the ring is closed");
        return 0;
    }
    self->busy = 1;
    return 1;
}

static PyObject *ring_forward(Ring *self, PyObject *args) {
    PyObject *packets, *entries, *packet_items = NULL, *items = NULL, *length = NULL, *result = NULL;
    Packet read[MAX_TOGETHER];
    Row *rows = NULL;
    Py_ssize_t count, receivers = 0, failed;
    double now;
    if (!PyArg_ParseTuple(args, "OOd:forward", &packets, &entries, &now) || !enter(self)) return NULL;
    /* Tuples of our own: others may change the lists meanwhile. */
    packet_items = PySequence_Tuple(packets);
    items = packet_items != NULL ? PySequence_Tuple(entries) : NULL;
    if (items == NULL) goto done;
    count = PyTuple_Size(packet_items);
    if (count > MAX_TOGETHER) {
        PyErr_Format(PyExc_ValueError, "more than %d packets", MAX_TOGETHER);
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (!read_packet(PyTuple_GetItem(packet_items, i), &read[i])) goto done;
    receivers = PyTuple_Size(items);
    rows = PyMem_Calloc((size_t)receivers + 1, sizeof *rows);
    length = PyLong_FromSsize_t(count);
    if (rows == NULL || length == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < receivers; i++)
        if (!read_entry(PyTuple_GetItem(items, i), &rows[i])) goto done;
    /* From here on Python code of a log may run, which may close protectors but not free them: `items` holds them. */
    for (Py_ssize_t i = 0; i < receivers; i++)
        if (rows[i].log != NULL && !take_numbers(&rows[i], length)) goto done;
    for (Py_ssize_t i = 0; i < receivers; i++)
        if (!is_free(rows[i].protector)) goto done;
    for (Py_ssize_t i = 0; i < receivers; i++) rows[i].protector->user = self;
    Py_BEGIN_ALLOW_THREADS
    failed = fill(self, read, count, rows, receivers, now);
    Py_END_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < receivers; i++) {
        rows[i].protector->user = NULL;
        if (rows[i].protector->closed) wipe(rows[i].protector);
    }
    for (Py_ssize_t i = 0; i < receivers; i++)
        if (rows[i].log != NULL && !note_run(&rows[i], packets)) goto done;
    result = PyLong_FromSsize_t(failed);
done:
    if (rows != NULL)
        for (Py_ssize_t i = 0; i < receivers; i++) Py_XDECREF(rows[i].number);
    PyMem_Free(rows);
    Py_XDECREF(length);
    Py_XDECREF(packet_items);
    Py_XDECREF(items);
    self->busy = 0;
    return result;
}

static PyObject *ring_flush(Ring *self, PyObject *Py_UNUSED(none)) {
    PyObject *result;
    if (!enter(self)) return NULL;
    if (self->messages) {
        Py_BEGIN_ALLOW_THREADS
        send_all(self);
        Py_END_ALLOW_THREADS
    }
    self->busy = 0;
    result = Py_BuildValue("(KKK)", self->sent, self->octets, self->dropped);
    if (result != NULL) self->sent = self->octets = self->dropped = 0;
    return result;
}

static PyObject *ring_close(Ring *self, PyObject *Py_UNUSED(none)) {
    if (self->fd >= 0) {
        if (!enter(self)) return NULL;
        self->fd = -1;
        self->messages = self->datagrams = 0;
        self->used = 0;
        self->busy = 0;
    }
    Py_RETURN_NONE;
}

static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named)) {
    int fd, segments;
    Ring *self;
    if (!PyArg_ParseTuple(args, "ip:Ring", &fd, &segments)) return NULL;
    if (fd < 0) {
        PyErr_SetString(PyExc_ValueError, "no socket");
        return NULL;
    }
    self = (Ring *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL) return NULL;
    self->fd = fd;
    self->segments = (char)segments;
    self->headers = calloc(MESSAGES, sizeof *self->headers);
    self->parts = calloc(MESSAGES, sizeof *self->parts);
    self->memory = malloc(MEMORY + SLACK);
    if (self->headers == NULL || self->parts == NULL || self->memory == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void freed(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static void ring_dealloc(Ring *self) {
    free(self->headers);
    free(self->parts);
    free(self->memory);
    freed((PyObject *)self);
}

/* The protector, for Python ---------------------------------------------------------------------------------------- */

static PyObject *protector_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named)) {
    const char *profile;
    Py_buffer key;
    Protector *self;
    if (!PyArg_ParseTuple(args, "sy*:Protector", &profile, &key)) return NULL;
    self = (Protector *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self != NULL && !set_keys(self, profile, key.buf, key.len)) {
        Py_DECREF(self);
        self = NULL;
    }
    PyBuffer_Release(&key);
    return (PyObject *)self;
}

static PyObject *protector_protect(Protector *self, PyObject *args) {
    unsigned char work[MAX_DATAGRAM];
    const char *packet;
    Py_ssize_t size;
    size_t done = 0;
    if (!PyArg_ParseTuple(args, "y#:protect", &packet, &size)) return NULL;
    if (!is_free(self)) return NULL;
    if (self->cipher != NULL && size >= HEADER && size <= MAX_PACKET) {
        memcpy(work, packet, (size_t)size);
        uint32_t ssrc = (uint32_t)work[8] << 24 | (uint32_t)work[9] << 16 | (uint32_t)work[10] << 8 | work[11];
        done = protect_in(self, stream_of(self, ssrc), work, (size_t)size);
    }
    if (done == 0) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)work, (Py_ssize_t)done);
}

static PyObject *protector_remove_stream(Protector *self, PyObject *args) {
    unsigned int ssrc;
    if (!PyArg_ParseTuple(args, "I:remove_stream", &ssrc)) return NULL;
    if (!is_free(self)) return NULL;
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (self->streams[i].ssrc == ssrc) {
            self->streams[i] = self->streams[--self->count];
            break;
        }
    Py_RETURN_NONE;
}

static PyObject *protector_close(Protector *self, PyObject *Py_UNUSED(none)) {
    self->closed = 1;
    if (self->user == NULL) wipe(self);
    Py_RETURN_NONE;
}

static void protector_dealloc(Protector *self) {
    wipe(self);
    freed((PyObject *)self);
}

/* The module ------------------------------------------------------------------------------------------------------- */

static PyMethodDef protector_methods[] = {
    {"protect", (PyCFunction)(void (*)(void))protector_protect, METH_VARARGS, "One packet, protected; None: refused."},
    {"remove_stream", (PyCFunction)(void (*)(void))protector_remove_stream, METH_VARARGS, "Forget an SSRC."},
    {"close", (PyCFunction)(void (*)(void))protector_close, METH_NOARGS, "Wipe the keys."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot protector_slots[] = {{Py_tp_new, (void *)protector_new},
                                        {Py_tp_dealloc, (void *)protector_dealloc},
                                        {Py_tp_methods, protector_methods},
                                        {0, NULL}};

static PyType_Spec protector_spec = {"liveclass._fanout.Protector", sizeof(Protector), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, protector_slots};

static PyMethodDef ring_methods[] = {
    {"forward", (PyCFunction)(void (*)(void))ring_forward, METH_VARARGS, "Packets to a table of receivers."},
    {"flush", (PyCFunction)(void (*)(void))ring_flush, METH_NOARGS, "Send what waits."},
    {"close", (PyCFunction)(void (*)(void))ring_close, METH_NOARGS, "Drop what waits; never use the socket again."},
    {NULL, NULL, 0, NULL}};

static PyMemberDef ring_members[] = {
    {"waiting", T_UINT, offsetof(Ring, datagrams), READONLY, "datagrams in the ring"},
    {"segments", T_BOOL, offsetof(Ring, segments), 0, "whether runs are made; off once a path refused one"},
    {"leaves_at", T_DOUBLE, offsetof(Ring, leaves_at), READONLY, "monotonic time of the last sending, 0 before"},
    {"full", T_ULONGLONG, offsetof(Ring, full), READONLY, "datagrams dropped because a buffer was full"},
    {"oversize", T_ULONGLONG, offsetof(Ring, oversize), READONLY, "datagrams dropped because the path is too narrow"},
    {"partial", T_ULONGLONG, offsetof(Ring, partial), READONLY, "times that the kernel took only some of the messages"},
    {"calls", T_ULONGLONG, offsetof(Ring, calls), READONLY, "system calls that sent"},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot ring_slots[] = {{Py_tp_new, (void *)ring_new},
                                   {Py_tp_dealloc, (void *)ring_dealloc},
                                   {Py_tp_methods, ring_methods},
                                   {Py_tp_members, ring_members},
                                   {0, NULL}};

static PyType_Spec ring_spec = {"liveclass._fanout.Ring", sizeof(Ring), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, ring_slots};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_fanout", "See _fanout.c.", -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__fanout(void) {
    PyObject *module = PyModule_Create(&definition), *ring = NULL;
    if (module == NULL) return NULL;
    protector_type = (PyTypeObject *)PyType_FromSpec(&protector_spec);
    ring = PyType_FromSpec(&ring_spec);
    name_next = PyUnicode_InternFromString("next");
    name_runs = PyUnicode_InternFromString("runs");
    name_append = PyUnicode_InternFromString("append");
    if (protector_type == NULL || ring == NULL || name_next == NULL || name_runs == NULL || name_append == NULL ||
        PyModule_AddObjectRef(module, "Protector", (PyObject *)protector_type) < 0 ||
        PyModule_AddObjectRef(module, "Ring", ring) < 0 ||
        PyModule_AddStringConstant(module, "LIBCRYPTO", OpenSSL_version(OPENSSL_VERSION)) < 0)
        Py_CLEAR(module);
    Py_XDECREF(ring);
    return module;
}
