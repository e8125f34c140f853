/* liveclass._fanout: packets of one wake-up to a table of receivers, in one call; SRTP itself is in _srtp.h, what comes
 * in is in _receive.h.
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
 *   Table(entries)
 *       Receivers, each (Protector, kernel address, number offset, timestamp offset, SSRC, log or None), read once: between
 *       two wake-ups Python's objects leave the processor's cache, and rows that lie together come back as one. Holds what
 *       it was made of, and does not follow the list. Its length is theirs.
 *       Raises TypeError or ValueError when an entry has another form.
 *
 *   Ring(fd, segments)
 *       What waits to be sent on one non-blocking UDP socket; `segments`: the kernel may be given runs (UDP_SEGMENT).
 *       forward(packets, receivers, now) -> packets that could not be protected
 *           packets: at most MAX_TOGETHER of (bytes, number, timestamp)
 *           receivers: a Table, or entries for one
 *           Sends only when the ring is full. A log gets (first number, time of leaving, packets) in `runs`, and its
 *           `next` goes on. Raises TypeError or ValueError, with nothing queued and no number taken, when an argument has
 *           another form; what a log's `runs` itself raises comes when the packets are queued.
 *       flush() -> (datagrams sent, bytes sent, datagrams dropped) since it was last called
 *       close(): what waits is dropped, and the socket not used again
 *       waiting, segments, leaves_at; full, oversize, partial, calls: see the members' words below
 *
 * Threads: the interpreter lock is released while packets are protected and sent. One ring works for one thread, a table
 * and a protector for one ring, at a time: others get RuntimeError. Arguments are held, so a receiver may go meanwhile.
 *
 * Lengths: a datagram never exceeds MAX_DATAGRAM; room for a whole entry is made before it is written; an address is a
 * sockaddr_in or sockaddr_in6 and nothing else; a header's own lengths (CSRCs, extension) are held to the packet's.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "_receive.h"
#include "_srtp.h"

enum {
    MAX_PACKET = MAX_DATAGRAM - 20,         /* likewise */
    MAX_TOGETHER = 16,                      /* as relay/fanout.py */
    NUMBER_AT = 17,                         /* as relay/fanout.py */
    MESSAGES = 256,                         /* of one sendmmsg; longer rings leave the processor's cache */
    MOST_REFUSED = 64,                      /* as transport/batch.py */
    MEMORY = 64 * 1024,                     /* the first receivers' packets leave while the last ones' are made */
    SLACK = MAX_DATAGRAM,                   /* what a refused packet may write behind the last one */
};

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

typedef struct {
    PyObject_HEAD
    Srtp srtp;
    int closed;
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
    unsigned refused;             /* runs in a row that went one by one */
    size_t used;
    double leaves_at;
    unsigned long long sent, octets, dropped, full, oversize, partial, calls;
    struct mmsghdr headers[MESSAGES];
    Message parts[MESSAGES];
    unsigned char memory[MEMORY + SLACK];
} Ring;

typedef struct {
    const unsigned char *bytes;
    size_t size;
    uint16_t seq;
    uint32_t time;
} Packet;

typedef struct {
    Protector *protector;
    struct sockaddr_in6 name; /* or a sockaddr_in */
    socklen_t name_size;
    uint32_t time, ssrc;
    uint16_t seq;
    uint16_t low;           /* of the number */
    PyObject *log, *number; /* NULL without; `number` is owned, from the call's begin to its end */
    double at;
} Row;

typedef struct {
    PyObject_HEAD
    PyObject *entries; /* holds what the rows point at */
    Py_ssize_t receivers;
    Row *rows;
    char busy;
} Table;

static PyTypeObject *protector_type, *table_type;
static PyObject *name_next, *name_runs, *name_append;

/* The ring ------------------------------------------------------------------------------------------------------- */

static void dropped(Ring *self, unsigned datagrams, size_t octets, int problem) {
    self->dropped += datagrams;
    self->octets -= octets; /* counted when they were written */
    if (problem == EMSGSIZE) self->oversize += datagrams;
    if (problem == EAGAIN || problem == ENOBUFS) self->full += datagrams;
}

/* A refused run's datagrams without UDP_SEGMENT. When they go, it is the run that the path does not take (a small MTU, a
 * device without checksums). One receiver's path is no other's: no more runs are made once none has gone for long. */
static void send_singly(Ring *self, const Message *part) {
    const unsigned long long before = self->sent;
    struct iovec vector = part->vector;
    struct msghdr header = self->headers[part - self->parts].msg_hdr;
    size_t left = vector.iov_len;
    header.msg_iov = &vector;
    header.msg_control = NULL;
    header.msg_controllen = 0;
    for (unsigned i = 0; i < part->count; i++) {
        ssize_t done;
        vector.iov_len = i + 1 < part->count ? part->segment : left;
        do {
            done = sendmsg(self->fd, &header, 0);
            self->calls++;
        } while (done < 0 && errno == EINTR);
        if (done >= 0) {
            self->sent++;
        } else {
            dropped(self, 1, vector.iov_len, errno);
        }
        left -= vector.iov_len;
        vector.iov_base = (unsigned char *)vector.iov_base + vector.iov_len;
    }
    if (self->sent > before && ++self->refused >= MOST_REFUSED) self->segments = 0;
}

/* Send what waits. A refused datagram is dropped and counted; the others still go. */
static void send_all(Ring *self) {
    unsigned begin = 0;
    struct timespec now;
    if (self->messages == 0) return;
    while (begin < self->messages) {
        int done = sendmmsg(self->fd, self->headers + begin, self->messages - begin, 0);
        self->calls++;
        if (done > 0) {
            if ((unsigned)done < self->messages - begin) self->partial++;
            for (int i = 0; i < done; i++, begin++) {
                self->sent += self->parts[begin].count;
                if (self->parts[begin].count > 1) self->refused = 0;
            }
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            for (; begin < self->messages; begin++)
                dropped(self, self->parts[begin].count, self->parts[begin].vector.iov_len, errno);
        } else if (errno != EINTR) {
            if (self->parts[begin].count > 1)
                send_singly(self, &self->parts[begin]);
            else
                dropped(self, 1, self->parts[begin].vector.iov_len, errno);
            begin++;
        }
    }
    self->messages = self->datagrams = 0;
    self->used = 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    self->leaves_at = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static Message *new_message(Ring *self, const Row *row, unsigned char *at) {
    Message *part = &self->parts[self->messages];
    memcpy(&part->name, &row->name, row->name_size);
    part->vector = (struct iovec){at, 0};
    part->count = 0;
    self->headers[self->messages++].msg_hdr = (struct msghdr){
        .msg_name = &part->name, .msg_namelen = row->name_size, .msg_iov = &part->vector, .msg_iovlen = 1};
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
static Py_ssize_t fill(Ring *self, const Packet *packets, Py_ssize_t count, Row *rows, Py_ssize_t receivers,
                       double now) {
    Py_ssize_t failed = 0;
    size_t bytes = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (packets[i].size <= MAX_PACKET) bytes += packets[i].size + MAX_TRAILER;
    for (Row *row = rows; row < rows + receivers; row++) {
        if (self->used + bytes > MEMORY || self->messages + (size_t)count > MESSAGES) {
            send_all(self);
            if (self->leaves_at > now) now = self->leaves_at;
        }
        Srtp *srtp = &row->protector->srtp;
        Stream *stream = srtp_stream(srtp, row->ssrc);
        /* Between two wake-ups the receivers' keys have left the cache. */
        if (row + 2 < rows + receivers) __builtin_prefetch(row[2].protector);
        if (row + 1 < rows + receivers) srtp_prefetch(&row[1].protector->srtp);
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
                size = srtp_protect(srtp, stream, at, packet->size);
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

/* The low bits of a tuple's integers from `at` on. */
static int low_bits(PyObject *tuple, Py_ssize_t at, int count, uint64_t *out) {
    for (int i = 0; i < count; i++) {
        out[i] = PyLong_AsUnsignedLongLongMask(PyTuple_GetItem(tuple, at + i));
        if (out[i] == (uint64_t)-1 && PyErr_Occurred()) return 0;
    }
    return 1;
}

static int read_packet(PyObject *item, Packet *out) {
    uint64_t low[2];
    char *bytes;
    Py_ssize_t size;
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 3)
        return refuse(PyExc_TypeError, "a packet is (bytes, number, timestamp)");
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(item, 0), &bytes, &size) < 0 || !low_bits(item, 1, 2, low)) return 0;
    /* What is too long is refused receiver by receiver; it takes no room. */
    *out = (Packet){(unsigned char *)bytes, (size_t)size, (uint16_t)low[0], (uint32_t)low[1]};
    return 1;
}

static int read_entry(PyObject *item, Row *out) {
    uint64_t low[3];
    char *name;
    Py_ssize_t size;
    sa_family_t family = AF_UNSPEC;
    PyObject *log;
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 6 ||
        !PyObject_TypeCheck(PyTuple_GetItem(item, 0), protector_type))
        return refuse(PyExc_TypeError, "an entry is (Protector, address, number offset, time offset, SSRC, log)");
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(item, 1), &name, &size) < 0 || !low_bits(item, 2, 3, low)) return 0;
    if (size >= (Py_ssize_t)sizeof family) memcpy(&family, name, sizeof family);
    if (!(size == sizeof(struct sockaddr_in) && family == AF_INET) &&
        !(size == sizeof(struct sockaddr_in6) && family == AF_INET6))
        return refuse(PyExc_ValueError, "an address is a sockaddr_in or sockaddr_in6");
    log = PyTuple_GetItem(item, 5);
    *out = (Row){.protector = (Protector *)PyTuple_GetItem(item, 0),
                 .name_size = (socklen_t)size,
                 .seq = (uint16_t)low[0],
                 .time = (uint32_t)low[1],
                 .ssrc = (uint32_t)low[2],
                 .log = log == Py_None ? NULL : log};
    memcpy(&out->name, name, (size_t)size);
    return 1;
}

/* Take numbers from a log for `count` packets; they count as sent from here on. */
static int take_numbers(Row *row, PyObject *count) {
    PyObject *next = NULL;
    row->number = PyObject_GetAttr(row->log, name_next);
    if (row->number == NULL) return 0;
    row->low = (uint16_t)PyLong_AsUnsignedLongLongMask(row->number);
    if (!PyErr_Occurred()) next = PyNumber_Add(row->number, count);
    int ok = next != NULL && PyObject_SetAttr(row->log, name_next, next) == 0;
    Py_XDECREF(next);
    if (!ok) Py_CLEAR(row->number);
    return ok;
}

/* Give numbers back that no packet will have, the last ones first, as one log may have several rows. */
static void give_back(Row *rows, Row *end) {
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    while (end-- > rows)
        if (end->number != NULL && PyObject_SetAttr(end->log, name_next, end->number) < 0) PyErr_Clear();
    PyErr_Restore(type, error, trace);
}

static int note_run(const Row *row, PyObject *packets) {
    PyObject *runs = PyObject_GetAttr(row->log, name_runs), *at = PyFloat_FromDouble(row->at);
    PyObject *run = NULL, *done = NULL;
    if (runs != NULL && at != NULL) run = PyTuple_Pack(3, row->number, at, packets);
    if (run != NULL) done = PyObject_CallMethodObjArgs(runs, name_append, run, NULL);
    Py_XDECREF(run);
    Py_XDECREF(at);
    Py_XDECREF(runs);
    Py_XDECREF(done);
    return done != NULL;
}

static int is_free(const Protector *protector) {
    return protector->user == NULL ? 1 : refuse(PyExc_RuntimeError, "the protector works for another thread");
}

static int enter(Ring *self) {
    if (self->busy) return refuse(PyExc_RuntimeError, "the ring works for another thread");
    if (self->fd < 0) return refuse(PyExc_RuntimeError, "the ring is closed");
    return self->busy = 1;
}

/* The table, for Python ---------------------------------------------------------------------------------------------- */

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named)) {
    PyObject *entries;
    Table *self;
    if (!PyArg_ParseTuple(args, "O:Table", &entries)) return NULL;
    self = (Table *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL) return NULL;
    /* A tuple of our own: others may change the list meanwhile. */
    self->entries = PySequence_Tuple(entries);
    if (self->entries == NULL) goto wrong;
    self->receivers = PyTuple_Size(self->entries);
    self->rows = PyMem_Calloc((size_t)self->receivers + 1, sizeof *self->rows);
    if (self->rows == NULL) {
        PyErr_NoMemory();
        goto wrong;
    }
    for (Py_ssize_t i = 0; i < self->receivers; i++)
        if (!read_entry(PyTuple_GetItem(self->entries, i), &self->rows[i])) goto wrong;
    return (PyObject *)self;
wrong:
    Py_DECREF(self);
    return NULL;
}

static void table_dealloc(Table *self) {
    PyMem_Free(self->rows);
    Py_XDECREF(self->entries);
    free_object((PyObject *)self);
}

static Py_ssize_t table_length(Table *self) { return self->receivers; }

/* The table is ours alone meanwhile. Python code of a log may close protectors, but not free them: the table holds them. */
static PyObject *forward_to(Ring *self, Table *table, const Packet *read, Py_ssize_t count, PyObject *packets,
                            double now) {
    Row *rows = table->rows, *end = rows + table->receivers;
    PyObject *length = PyLong_FromSsize_t(count);
    Py_ssize_t failed = 0;
    int ok = length != NULL;
    for (Row *row = rows; ok && row < end; row++) ok = row->log == NULL || take_numbers(row, length);
    for (Row *row = rows; ok && row < end; row++) ok = is_free(row->protector);
    if (ok) {
        for (Row *row = rows; row < end; row++) row->protector->user = self;
        Py_BEGIN_ALLOW_THREADS
        failed = fill(self, read, count, rows, table->receivers, now);
        Py_END_ALLOW_THREADS
        for (Row *row = rows; row < end; row++) {
            row->protector->user = NULL;
            if (row->protector->closed) srtp_wipe(&row->protector->srtp);
        }
        for (Row *row = rows; ok && row < end; row++) ok = row->log == NULL || note_run(row, packets);
    } else {
        give_back(rows, end);
    }
    for (Row *row = rows; row < end; row++) Py_CLEAR(row->number);
    Py_XDECREF(length);
    return ok ? PyLong_FromSsize_t(failed) : NULL;
}

static PyObject *ring_forward(Ring *self, PyObject *args) {
    PyObject *packets, *entries, *items = NULL, *result = NULL;
    Table *table = NULL;
    Packet read[MAX_TOGETHER];
    Py_ssize_t count;
    double now;
    if (!PyArg_ParseTuple(args, "OOd:forward", &packets, &entries, &now) || !enter(self)) return NULL;
    items = PySequence_Tuple(packets);
    if (items == NULL) goto done;
    count = PyTuple_Size(items);
    if (count > MAX_TOGETHER) {
        refuse(PyExc_ValueError, "more packets than MAX_TOGETHER");
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (!read_packet(PyTuple_GetItem(items, i), &read[i])) goto done;
    if (PyObject_TypeCheck(entries, table_type)) {
        Py_INCREF(entries);
        table = (Table *)entries;
    } else {
        table = (Table *)PyObject_CallFunctionObjArgs((PyObject *)table_type, entries, NULL);
        if (table == NULL) goto done;
    }
    if (table->busy) {
        refuse(PyExc_RuntimeError, "the table works for another thread");
        goto done;
    }
    table->busy = 1;
    result = forward_to(self, table, read, count, packets, now);
    table->busy = 0;
done:
    Py_XDECREF((PyObject *)table);
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
        refuse(PyExc_ValueError, "no socket");
        return NULL;
    }
    self = (Ring *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self != NULL) {
        self->fd = fd;
        self->segments = (char)segments;
    }
    return (PyObject *)self;
}

/* The protector, for Python ---------------------------------------------------------------------------------------- */

static PyObject *protector_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named)) {
    const char *profile, *wrong;
    Py_buffer key;
    Protector *self;
    if (!PyArg_ParseTuple(args, "sy*:Protector", &profile, &key)) return NULL;
    self = (Protector *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    wrong = self != NULL ? srtp_begin(&self->srtp, profile, key.buf, (size_t)key.len) : NULL;
    PyBuffer_Release(&key);
    if (wrong != NULL) {
        refuse(PyExc_ValueError, wrong);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *protector_protect(Protector *self, PyObject *args) {
    unsigned char work[MAX_DATAGRAM];
    const char *packet;
    Py_ssize_t size;
    size_t done = 0;
    if (!PyArg_ParseTuple(args, "y#:protect", &packet, &size) || !is_free(self)) return NULL;
    if (size >= HEADER && size <= MAX_PACKET) {
        memcpy(work, packet, (size_t)size);
        done = srtp_protect(&self->srtp, srtp_stream(&self->srtp, get32(work + 8)), work, (size_t)size);
    }
    if (done == 0) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)work, (Py_ssize_t)done);
}

static PyObject *protector_remove_stream(Protector *self, PyObject *args) {
    unsigned int ssrc;
    if (!PyArg_ParseTuple(args, "I:remove_stream", &ssrc) || !is_free(self)) return NULL;
    srtp_forget(&self->srtp, ssrc);
    Py_RETURN_NONE;
}

static PyObject *protector_close(Protector *self, PyObject *Py_UNUSED(none)) {
    self->closed = 1;
    if (self->user == NULL) srtp_wipe(&self->srtp);
    Py_RETURN_NONE;
}

static void protector_dealloc(Protector *self) {
    srtp_wipe(&self->srtp);
    free_object((PyObject *)self);
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

static PyType_Slot table_slots[] = {{Py_tp_new, (void *)table_new},
                                    {Py_tp_dealloc, (void *)table_dealloc},
                                    {Py_sq_length, (void *)table_length},
                                    {0, NULL}};

static PyType_Spec table_spec = {"liveclass._fanout.Table", sizeof(Table), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, table_slots};

static PyMethodDef ring_methods[] = {
    {"forward", (PyCFunction)(void (*)(void))ring_forward, METH_VARARGS, "Packets to a table of receivers."},
    {"flush", (PyCFunction)(void (*)(void))ring_flush, METH_NOARGS, "Send what waits."},
    {"close", (PyCFunction)(void (*)(void))ring_close, METH_NOARGS, "Drop what waits; never use the socket again."},
    {NULL, NULL, 0, NULL}};

static PyMemberDef ring_members[] = {
    {"waiting", T_UINT, offsetof(Ring, datagrams), READONLY, "datagrams in the ring"},
    {"segments", T_BOOL, offsetof(Ring, segments), 0, "whether runs are made; off once MOST_REFUSED in a row were refused"},
    {"leaves_at", T_DOUBLE, offsetof(Ring, leaves_at), READONLY, "monotonic time of the last sending, 0 before"},
    {"full", T_ULONGLONG, offsetof(Ring, full), READONLY, "datagrams dropped because a buffer was full"},
    {"oversize", T_ULONGLONG, offsetof(Ring, oversize), READONLY, "datagrams dropped because the path is too narrow"},
    {"partial", T_ULONGLONG, offsetof(Ring, partial), READONLY, "times that the kernel took only some of the messages"},
    {"calls", T_ULONGLONG, offsetof(Ring, calls), READONLY, "system calls that sent"},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot ring_slots[] = {{Py_tp_new, (void *)ring_new},
                                   {Py_tp_dealloc, (void *)free_object},
                                   {Py_tp_methods, ring_methods},
                                   {Py_tp_members, ring_members},
                                   {0, NULL}};

static PyType_Spec ring_spec = {"liveclass._fanout.Ring", sizeof(Ring), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, ring_slots};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_fanout", .m_doc = "See _fanout.c.", .m_size = -1};

PyMODINIT_FUNC PyInit__fanout(void) {
    PyObject *module = PyModule_Create(&definition), *ring = NULL;
    if (module == NULL) return NULL;
    protector_type = (PyTypeObject *)PyType_FromSpec(&protector_spec);
    table_type = (PyTypeObject *)PyType_FromSpec(&table_spec);
    ring = PyType_FromSpec(&ring_spec);
    name_next = PyUnicode_InternFromString("next");
    name_runs = PyUnicode_InternFromString("runs");
    name_append = PyUnicode_InternFromString("append");
    if (protector_type == NULL || table_type == NULL || ring == NULL || name_next == NULL || name_runs == NULL ||
        name_append == NULL || !add_receiving(module) ||
        PyModule_AddObjectRef(module, "Protector", (PyObject *)protector_type) < 0 ||
        PyModule_AddObjectRef(module, "Table", (PyObject *)table_type) < 0 ||
        PyModule_AddObjectRef(module, "Ring", ring) < 0 ||
        PyModule_AddStringConstant(module, "LIBCRYPTO", OpenSSL_version(OPENSSL_VERSION)) < 0)
        Py_CLEAR(module);
    Py_XDECREF(ring);
    return module;
}
