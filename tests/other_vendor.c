/* Preloaded into a process on an Intel processor under Linux, it makes CPUID answer as AMD's would: Zen 4, or Zen 3
   without AVX-512 where OTHER_VENDOR_AVX2 is set. Libraries then choose their code as they do there. The code still
   runs here: what an instruction does differently there (rsqrtps, rcpps) is not seen. */

#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct sigaction before;
static int avx2;

static const unsigned caches[4][4] = {/* L1 of data, of instructions, 1 MiB of L2, 32 MiB of L3 */
    {0x121, 0x01c0003f, 63, 0}, {0x122, 0x01c0003f, 63, 0}, {0x143, 0x01c0003f, 2047, 2}, {0x163, 0x03c0003f, 32767, 1}};

static long allow(unsigned long cpuid) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, cpuid); }

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    if (info->si_code != SI_KERNEL || code[0] != 0x0f || code[1] != 0xa2) { /* another fault than CPUID's */
        sigaction(SIGSEGV, &before, NULL);
        return;
    }
    unsigned leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    allow(1);
    __cpuid_count(leaf, part, a, b, c, d);
    allow(0);
    switch (leaf) {
    case 0: a = 0x10; b = 0x68747541; d = 0x69746e65; c = 0x444d4163; break; /* AuthenticAMD */
    case 1: a = avx2 ? 0x00a00f11 : 0x00a10f11; break;
    case 2: case 4: a = b = c = d = 0; break; /* Intel's description of caches */
    case 7:
        d &= ~(1u << 22 | 1u << 23 | 1u << 24 | 1u << 25); /* AMX, FP16 */
        if (part == 0 && avx2) {
            b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 28 | 1u << 30 | 1u << 31);
            c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
            d &= ~(1u << 2 | 1u << 3 | 1u << 8);
        }
        if (part == 1) a = avx2 ? 0 : a & 1u << 5; /* BF16 */
        break;
    case 0x80000000: a = 0x80000028; b = 0x68747541; d = 0x69746e65; c = 0x444d4163; break;
    case 0x80000001: c |= 1u << 22; break; /* caches are described in 0x8000001d */
    case 0x80000005: a = b = 0xff48ff40; c = d = 0x20080140; break;
    case 0x80000006: a = 0x5c002200; b = 0x6c004200; c = 0x04006140; d = 0x01009140; break;
    case 0x8000001d:
        a = b = c = d = 0;
        if (part < 4) a = caches[part][0], b = caches[part][1], c = caches[part][2], d = caches[part][3];
        break;
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action;
    avx2 = getenv("OTHER_VENDOR_AVX2") != NULL;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    if (allow(0) == 0) sigaction(SIGSEGV, &action, &before);
}
