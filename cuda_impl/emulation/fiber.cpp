// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <vector>

#ifndef __x86_64__
#error "Fibers switch by x86-64 assembly: emulation of CUDA needs an x86-64 machine."
#endif

// A jump instead of a return: the processor's prediction of returns belongs to the fiber that is left.
asm(R"(
.text
.p2align 4
.globl photon_emulated_switch
.type photon_emulated_switch, @function
photon_emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
.size photon_emulated_switch, .-photon_emulated_switch
)");

namespace photon::emulation {
namespace {

constexpr size_t page = 4096;
constexpr size_t stack_bytes = (address_sanitizer ? 256 : 128) * 1024;

/// With a page below each that faults; made when first asked for and never given back: the next launch finds
/// them warm.
std::vector<char*> stacks;

char* stack_at(unsigned index) {
  while (stacks.size() <= index) {
    void* memory = mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) throw std::bad_alloc();
    stacks.push_back(static_cast<char*>(memory) + page);
  }
  return stacks[index];
}

}  // namespace

Fiber make_fiber(unsigned index, void (*body)()) {
  char* low = stack_at(index);
  // Tops at different offsets in their pages: at equal ones the fibers would fight for the same cache lines.
  const size_t offset = index * size_t{192} % (page / 2);
  char* top = low + stack_bytes - offset;
  // What the switch pops: six registers, then the body's address; the body begins as if it had been called.
  permit(low + stack_bytes - page, page);
  auto* words = reinterpret_cast<uintptr_t*>(top) - 8;
  for (int i = 0; i < 6; ++i) words[i] = 0;
  words[6] = reinterpret_cast<uintptr_t>(body);
  words[7] = 0;
  return {words, low, stack_bytes, nullptr};
}

void abandon_fibers() {
  for (char* low : stacks) permit(low, stack_bytes);
}

}  // namespace photon::emulation
