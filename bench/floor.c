/* The least that a server in C could do with a lesson on this machine: `bench.floor` compiles and runs it.
 *
 * The clip's packets, when they are due, to N receivers: AES-128-GCM by libcrypto with a key for each, a run of each frame
 * to each receiver by UDP_SEGMENT, one sendmmsg for as many as 64 KB hold. No signalling, no packet taken in, no header
 * rewritten, no loss repaired, nothing recorded, no Python. It runs on the first core; the receivers are a process of
 * their own on the others, which empties their sockets every 20 ms as the generator does.
 *
 *   floor RECEIVERS SECONDS SEALS SENDS FPS < sizes
 *       SEALS, SENDS: 0 leaves that part out
 *       sizes: a line for each frame with the payload bytes of its packets, then "audio" and those of the sound's packets
 *   prints {"packets": , "cpu_s": , "out_ms": [of each frame, from when it was due until the last receiver's packets left]}
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RECEIVERS = 4096, MOST_FRAMES = 4096, MOST_PACKETS = 64, MESSAGES = 256, ROOM = 64 * 1024, HEADER = 20, TAG = 16 };

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

typedef struct {
    int count, sizes[MOST_PACKETS];
} Burst;

static Burst frames[MOST_FRAMES], sounds[MOST_FRAMES];
static int frame_count, sound_count, receivers, seals, sends, out;
static EVP_CIPHER_CTX *ciphers[MOST_RECEIVERS];
static struct sockaddr_in names[MOST_RECEIVERS];
static struct mmsghdr headers[MESSAGES];
static struct iovec vectors[MESSAGES];
static union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
} controls[MESSAGES];
static unsigned char memory[ROOM + MOST_PACKETS * 2048], packet[2048];
static int messages, used;
static uint64_t number;

static double seconds(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* On the first core, or on all but that. Where there is one core only, nothing changes. */
static void settle(int first) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (int i = 0; i < (int)sysconf(_SC_NPROCESSORS_CONF) && i < CPU_SETSIZE; i++)
        if ((i == 0) == first) CPU_SET(i, &cores);
    if (CPU_COUNT(&cores) > 0) sched_setaffinity(0, sizeof cores, &cores);
}

static void flush(void) {
    for (int begin = 0; sends && begin < messages;) {
        int done = sendmmsg(out, headers + begin, (unsigned)(messages - begin), 0);
        if (done <= 0) fail("sendmmsg");
        begin += done;
    }
    messages = used = 0;
}

static int seal(EVP_CIPHER_CTX *cipher, unsigned char *at, int size) {
    unsigned char iv[12] = {0};
    int done;
    memcpy(iv, &number, sizeof number);
    if (EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, iv) != 1 || EVP_EncryptUpdate(cipher, NULL, &done, at, HEADER) != 1 ||
        EVP_EncryptUpdate(cipher, at + HEADER, &done, at + HEADER, size - HEADER) != 1 ||
        EVP_EncryptFinal_ex(cipher, at + size, &done) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, at + size) != 1)
        fail("libcrypto");
    return size + TAG;
}

static void send_to(int receiver, const Burst *burst) {
    int run = 0;
    for (int i = 0; i < burst->count; i++) {
        int size = burst->sizes[i] + HEADER, last = 1;
        unsigned char *at = memory + used;
        memcpy(at, packet, (size_t)size);
        number++;
        size = seals ? seal(ciphers[receiver], at, size) : size + TAG;
        used += size;
        if (run == 0) {
            if (messages == MESSAGES) fail("too many messages");
            vectors[messages] = (struct iovec){at, 0};
            headers[messages].msg_hdr = (struct msghdr){.msg_name = &names[receiver], .msg_namelen = sizeof names[receiver],
                                                        .msg_iov = &vectors[messages], .msg_iovlen = 1};
            messages++;
            run = size;
        } else if (headers[messages - 1].msg_hdr.msg_control == NULL) {
            struct cmsghdr *head = &controls[messages - 1].head;
            uint16_t segment = (uint16_t)run;
            *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof segment), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
            memcpy(CMSG_DATA(head), &segment, sizeof segment);
            headers[messages - 1].msg_hdr.msg_control = head;
            headers[messages - 1].msg_hdr.msg_controllen = sizeof controls->bytes;
        }
        vectors[messages - 1].iov_len += (size_t)size;
        last = i + 1 == burst->count;
        if (size < run || (!last && burst->sizes[i + 1] + HEADER + TAG > run)) run = 0; /* the run ends here */
    }
}

static long send_all(const Burst *burst) {
    int bytes = 0;
    for (int i = 0; i < burst->count; i++) bytes += burst->sizes[i] + HEADER + TAG;
    for (int i = 0; i < receivers; i++) {
        if (used + bytes > ROOM || messages + burst->count > MESSAGES) flush();
        send_to(i, burst);
    }
    flush();
    return (long)receivers * burst->count;
}

static void read_sizes(void) {
    static char line[MOST_PACKETS * 8];
    Burst *into = frames;
    int *count = &frame_count;
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "audio\n") == 0) {
            into = sounds;
            count = &sound_count;
            continue;
        }
        if (*count == MOST_FRAMES) fail("too many frames");
        for (char *word = strtok(line, " \n"); word != NULL; word = strtok(NULL, " \n")) {
            Burst *burst = &into[*count];
            if (burst->count == MOST_PACKETS) fail("too many packets");
            burst->sizes[burst->count++] = atoi(word);
        }
        ++*count;
    }
    if (frame_count == 0 || sound_count == 0) fail("no sizes");
}

static pid_t receive(void) {
    static int sockets[MOST_RECEIVERS];
    static char waste[65536];
    struct timespec pause = {0, 20000000};
    int room = 4 << 20;
    for (int i = 0; i < receivers; i++) {
        socklen_t size = sizeof names[i];
        names[i].sin_family = AF_INET;
        names[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (sockets[i] < 0 || bind(sockets[i], (struct sockaddr *)&names[i], size) != 0) fail("socket");
        getsockname(sockets[i], (struct sockaddr *)&names[i], &size);
        setsockopt(sockets[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }
    pid_t child = fork();
    if (child != 0) {
        for (int i = 0; i < receivers; i++) close(sockets[i]);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    settle(0);
    for (;;) {
        nanosleep(&pause, NULL);
        for (int i = 0; i < receivers; i++)
            while (recv(sockets[i], waste, sizeof waste, 0) > 0) continue;
    }
}

int main(int argc, char **argv) {
    if (argc != 6 || (receivers = atoi(argv[1])) < 1 || receivers > MOST_RECEIVERS) {
        fprintf(stderr, "floor RECEIVERS SECONDS SEALS SENDS FPS < sizes\n");
        return 2;
    }
    seals = atoi(argv[3]);
    sends = atoi(argv[4]);
    read_sizes();
    pid_t child = receive();
    settle(1);
    int room = 8 << 20, frame = 0, sound = 0;
    double fps = atof(argv[5]), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), begin = seconds(CLOCK_MONOTONIC);
    double end = begin + atof(argv[2]);
    static double took[1 << 16];
    long sent = 0;
    unsigned char key[16];
    out = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(out, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    for (int i = 0; i < receivers; i++) {
        memset(key, i, sizeof key);
        ciphers[i] = EVP_CIPHER_CTX_new();
        if (EVP_EncryptInit_ex(ciphers[i], EVP_aes_128_gcm(), NULL, key, NULL) != 1) fail("libcrypto");
    }
    for (;;) {
        double picture = begin + frame / fps, voice = begin + sound / 50.0, due = picture < voice ? picture : voice;
        double wait = due - seconds(CLOCK_MONOTONIC);
        if (due >= end) break;
        if (wait > 0) {
            struct timespec pause = {(time_t)wait, (long)(1e9 * (wait - (double)(time_t)wait))};
            nanosleep(&pause, NULL);
        }
        if (due == picture) {
            sent += send_all(&frames[frame % frame_count]);
            if (frame < (int)(sizeof took / sizeof *took)) took[frame] = seconds(CLOCK_MONOTONIC) - due;
            frame++;
        } else {
            sent += send_all(&sounds[sound++ % sound_count]);
        }
    }
    printf("{\"packets\": %ld, \"cpu_s\": %.6f, \"out_ms\": [", sent, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    for (int i = 0; i < frame && i < (int)(sizeof took / sizeof *took); i++) printf("%s%.3f", i ? ", " : "", 1e3 * took[i]);
    printf("]}\n");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}
