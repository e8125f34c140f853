/* What liveclass._fanout receives: the datagrams of a wake-up in few calls, and SRTP by _unprotect.h.
 *
 * The native half of `liveclass.transport.inbox` and of `SrtpReceiver`; both take and refuse the same, in the same order.
 * It looks into no datagram: whose it is and whether it is STUN, DTLS or media is told apart in Python.
 *
 * Contract
 *
 *   Inbox(fd, datagrams, addresses)
 *       What comes at one UDP socket; 1 to MOST_DATAGRAMS of one system call; so many addresses are remembered, 1 to
 *       MOST_ADDRESSES, a power of two. Memory: 2.2 KB for each datagram, 48 bytes for each address.
 *       read(most, now, since) -> [(bytes, address, arrival)], empty when nothing waits or it is closed
 *           At most `most` datagrams; what is longer than MAX_DATAGRAM is cut. Never blocks. The address is the tuple that
 *           Python's socket makes, the same object for one that is remembered. The arrival is the kernel's stamp (seconds)
 *           plus `since`, never before the one before it, never after `now`; `now` without a stamp.
 *           Raises OSError for what the kernel says, RuntimeError when it is reading already.
 *       close(): the socket is not used again; twice is harmless
 *
 *   Unprotector(profile, key, streams)
 *       SRTP and SRTCP of one peer, as _unprotect.h has it, of at most `streams` SSRCs. Keys as Protector's.
 *       unprotect(packet), unprotect_rtcp(packet) -> bytes, or None when it is forged, replayed, too old, malformed, of a
 *           stream too many or longer than MAX_DATAGRAM, or the unprotector is closed
 *       remove_stream(ssrc): its packets start anew, and another SSRC has its room
 *       close(): wipes the keys; twice is harmless
 *
 * Threads: the interpreter lock is held throughout; a call takes a microsecond, or the time to copy what waits, and to let
 * go of the lock may cost milliseconds until it is back.
 */
#ifndef LIVECLASS_RECEIVE_H
#define LIVECLASS_RECEIVE_H

#include <Python.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "_unprotect.h"

enum {
    MAX_DATAGRAM = 2048, /* as transport/srtp.py */
    MOST_DATAGRAMS = 256,
    MOST_ADDRESSES = 1 << 16,
};

#ifndef SCM_TIMESTAMPNS
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS
#endif

typedef union {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
} Name;

typedef struct {
    struct iovec vector;
    union {
        struct cmsghdr head;
        unsigned char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    Name name;
    unsigned char bytes[MAX_DATAGRAM];
} Place;

typedef struct {
    Name name;
    PyObject *address; /* NULL: nothing is remembered here */
} Known;

typedef struct {
    PyObject_HEAD
    int fd;
    char busy; /* making tuples may run Python code, and that could read again */
    unsigned datagrams, addresses;
    double arrived; /* of the last one */
    struct mmsghdr *headers;
    Place *places;
    Known *known;
} Inbox;

typedef struct {
    PyObject_HEAD
    Unprotect srtp;
} Unprotector;

/* Shared with the sending half. */
static int refuse(PyObject *kind, const char *why) {
    PyErr_SetString(kind, why);
    return 0;
}

static void free_object(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* The inbox -------------------------------------------------------------------------------------------------------- */

static PyObject *inbox_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named)) {
    int fd, datagrams, addresses;
    Inbox *self;
    if (!PyArg_ParseTuple(args, "iii:Inbox", &fd, &datagrams, &addresses)) return NULL;
    if (fd < 0 || datagrams < 1 || datagrams > MOST_DATAGRAMS || addresses < 1 || addresses > MOST_ADDRESSES ||
        (addresses & (addresses - 1))) {
        refuse(PyExc_ValueError, "no socket, or no such number of datagrams or addresses");
        return NULL;
    }
    self = (Inbox *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL) return NULL;
    self->fd = fd;
    self->datagrams = (unsigned)datagrams;
    self->addresses = (unsigned)addresses;
    self->headers = PyMem_Calloc((size_t)datagrams, sizeof *self->headers);
    self->places = PyMem_Calloc((size_t)datagrams, sizeof *self->places);
    self->known = PyMem_Calloc((size_t)addresses, sizeof *self->known);
    if (self->headers == NULL || self->places == NULL || self->known == NULL) {
        Py_DECREF(self);
        PyErr_NoMemory();
        return NULL;
    }
    for (unsigned i = 0; i < self->datagrams; i++) {
        Place *place = &self->places[i];
        place->vector = (struct iovec){place->bytes, MAX_DATAGRAM};
        self->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &place->name, .msg_iov = &place->vector, .msg_iovlen = 1, .msg_control = &place->control};
    }
    return (PyObject *)self;
}

static void inbox_dealloc(Inbox *self) {
    for (unsigned i = 0; self->known != NULL && i < self->addresses; i++) Py_XDECREF(self->known[i].address);
    PyMem_Free(self->known);
    PyMem_Free(self->places);
    PyMem_Free(self->headers);
    free_object((PyObject *)self);
}

/* The tuple that Python's socket module makes of an address. */
static PyObject *new_address(const Name *name) {
    char text[INET6_ADDRSTRLEN];
    if (name->any.sa_family == AF_INET && inet_ntop(AF_INET, &name->four.sin_addr, text, sizeof text) != NULL)
        return Py_BuildValue("(si)", text, (int)ntohs(name->four.sin_port));
    if (name->any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &name->six.sin6_addr, text, sizeof text) != NULL)
        return Py_BuildValue("(siII)", text, (int)ntohs(name->six.sin6_port),
                             (unsigned)ntohl(name->six.sin6_flowinfo), (unsigned)name->six.sin6_scope_id);
    return PyTuple_New(0);
}

/* A new reference to the tuple of an address; `size`: what the kernel says it has. */
static PyObject *address_of(Inbox *self, const Name *from, socklen_t size) {
    Name name;
    uint32_t words[sizeof name / sizeof(uint32_t)], hash = 0;
    if (size > sizeof name) size = sizeof name;
    memset(&name, 0, sizeof name);
    memcpy(&name, from, size);
    memcpy(words, &name, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) hash = (hash ^ words[i]) * 0x9E3779B1u;
    Known *known = &self->known[(hash ^ hash >> 15) & (self->addresses - 1)];
    if (known->address == NULL || memcmp(&known->name, &name, sizeof name) != 0) {
        PyObject *made = new_address(&name), *old;
        if (made == NULL) return NULL;
        old = known->address;
        known->name = name;
        known->address = made;
        Py_XDECREF(old);
    }
    Py_INCREF(known->address);
    return known->address;
}

/* When a datagram arrived, as the contract has it. */
static double arrival(Inbox *self, struct msghdr *header, double now, double since) {
    struct timespec stamp;
    for (struct cmsghdr *one = CMSG_FIRSTHDR(header); one != NULL; one = CMSG_NXTHDR(header, one))
        if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_TIMESTAMPNS &&
            one->cmsg_len >= CMSG_LEN(sizeof stamp)) {
            memcpy(&stamp, CMSG_DATA(one), sizeof stamp);
            double at = (double)stamp.tv_sec + (double)stamp.tv_nsec * 1e-9 + since;
            if (at < self->arrived) at = self->arrived;
            if (at > now) at = now;
            return self->arrived = at;
        }
    return now;
}

static PyObject *taken(Inbox *self, unsigned at, double now, double since) {
    struct mmsghdr *header = &self->headers[at];
    PyObject *bytes = PyBytes_FromStringAndSize((char *)self->places[at].bytes, (Py_ssize_t)header->msg_len);
    PyObject *address = address_of(self, &self->places[at].name, header->msg_hdr.msg_namelen);
    PyObject *arrived = PyFloat_FromDouble(arrival(self, &header->msg_hdr, now, since)), *result = NULL;
    if (bytes != NULL && address != NULL && arrived != NULL) result = PyTuple_Pack(3, bytes, address, arrived);
    Py_XDECREF(bytes);
    Py_XDECREF(address);
    Py_XDECREF(arrived);
    return result;
}

static PyObject *inbox_read(Inbox *self, PyObject *args) {
    Py_ssize_t most;
    double now, since;
    int count = 0;
    PyObject *result;
    if (!PyArg_ParseTuple(args, "ndd:read", &most, &now, &since)) return NULL;
    if (self->busy) {
        refuse(PyExc_RuntimeError, "the inbox is being read");
        return NULL;
    }
    if (most > (Py_ssize_t)self->datagrams) most = (Py_ssize_t)self->datagrams;
    if (most > 0 && self->fd >= 0) {
        for (Py_ssize_t i = 0; i < most; i++) {
            self->headers[i].msg_hdr.msg_namelen = sizeof(Name);
            self->headers[i].msg_hdr.msg_controllen = sizeof self->places[i].control;
        }
        count = recvmmsg(self->fd, self->headers, (unsigned)most, MSG_DONTWAIT, NULL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) return PyErr_SetFromErrno(PyExc_OSError);
        if (count < 0) count = 0;
    }
    self->busy = 1;
    result = PyList_New(count);
    for (int i = 0; result != NULL && i < count; i++) {
        PyObject *one = taken(self, (unsigned)i, now, since);
        if (one == NULL || PyList_SetItem(result, i, one) < 0) Py_CLEAR(result);
    }
    self->busy = 0;
    return result;
}

static PyObject *inbox_close(Inbox *self, PyObject *Py_UNUSED(none)) {
    self->fd = -1;
    Py_RETURN_NONE;
}

/* The unprotector -------------------------------------------------------------------------------------------------- */

static PyObject *unprotector_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named)) {
    const char *profile, *wrong = NULL;
    Py_buffer key;
    int streams;
    Unprotector *self = NULL;
    if (!PyArg_ParseTuple(args, "sy*i:Unprotector", &profile, &key, &streams)) return NULL;
    if (streams < 1 || streams > MAX_STREAMS) {
        wrong = "no such number of streams";
    } else {
        self = (Unprotector *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
        if (self != NULL) wrong = unprotect_begin(&self->srtp, profile, key.buf, (size_t)key.len, (size_t)streams);
    }
    PyBuffer_Release(&key);
    if (wrong != NULL) {
        refuse(PyExc_ValueError, wrong);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *opened(Unprotector *self, PyObject *packet,
                        size_t (*open)(Unprotect *, const unsigned char *, size_t, unsigned char *)) {
    unsigned char work[MAX_DATAGRAM];
    char *bytes;
    Py_ssize_t size;
    size_t done = 0;
    if (PyBytes_AsStringAndSize(packet, &bytes, &size) < 0) return NULL;
    if (size <= MAX_DATAGRAM) done = open(&self->srtp, (unsigned char *)bytes, (size_t)size, work);
    if (done == 0) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)work, (Py_ssize_t)done);
}

static PyObject *unprotector_unprotect(Unprotector *self, PyObject *packet) {
    return opened(self, packet, unprotect_rtp);
}

static PyObject *unprotector_unprotect_rtcp(Unprotector *self, PyObject *packet) {
    return opened(self, packet, unprotect_rtcp);
}

static PyObject *unprotector_remove_stream(Unprotector *self, PyObject *args) {
    unsigned int ssrc;
    if (!PyArg_ParseTuple(args, "I:remove_stream", &ssrc)) return NULL;
    unprotect_forget(&self->srtp, ssrc);
    Py_RETURN_NONE;
}

static PyObject *unprotector_close(Unprotector *self, PyObject *Py_UNUSED(none)) {
    unprotect_wipe(&self->srtp);
    Py_RETURN_NONE;
}

static void unprotector_dealloc(Unprotector *self) {
    unprotect_wipe(&self->srtp);
    free_object((PyObject *)self);
}

/* The types -------------------------------------------------------------------------------------------------------- */

static PyMethodDef inbox_methods[] = {
    {"read", (PyCFunction)(void (*)(void))inbox_read, METH_VARARGS, "What waits, without waiting for it."},
    {"close", (PyCFunction)(void (*)(void))inbox_close, METH_NOARGS, "Never use the socket again."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot inbox_slots[] = {{Py_tp_new, (void *)inbox_new},
                                    {Py_tp_dealloc, (void *)inbox_dealloc},
                                    {Py_tp_methods, inbox_methods},
                                    {0, NULL}};

static PyType_Spec inbox_spec = {"liveclass._fanout.Inbox", sizeof(Inbox), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, inbox_slots};

static PyMethodDef unprotector_methods[] = {
    {"unprotect", (PyCFunction)(void (*)(void))unprotector_unprotect, METH_O, "One RTP packet; None: refused."},
    {"unprotect_rtcp", (PyCFunction)(void (*)(void))unprotector_unprotect_rtcp, METH_O, "One of RTCP; None: refused."},
    {"remove_stream", (PyCFunction)(void (*)(void))unprotector_remove_stream, METH_VARARGS, "Forget an SSRC."},
    {"close", (PyCFunction)(void (*)(void))unprotector_close, METH_NOARGS, "Wipe the keys."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot unprotector_slots[] = {{Py_tp_new, (void *)unprotector_new},
                                          {Py_tp_dealloc, (void *)unprotector_dealloc},
                                          {Py_tp_methods, unprotector_methods},
                                          {0, NULL}};

static PyType_Spec unprotector_spec = {"liveclass._fanout.Unprotector", sizeof(Unprotector), 0,
                                       Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, unprotector_slots};

/* Put the types into the module; 0: an exception is set. */
static int add_receiving(PyObject *module) {
    PyObject *inbox = PyType_FromSpec(&inbox_spec), *unprotector = PyType_FromSpec(&unprotector_spec);
    int ok = inbox != NULL && unprotector != NULL && PyModule_AddObjectRef(module, "Inbox", inbox) == 0 &&
             PyModule_AddObjectRef(module, "Unprotector", unprotector) == 0;
    Py_XDECREF(inbox);
    Py_XDECREF(unprotector);
    return ok;
}

#endif
