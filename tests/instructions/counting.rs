//! What is counted: a bench, or on all threads from one point of it to another.

#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "callgrind is asked by instructions that do nothing"))]

use gungraun::{Callgrind, EntryPoint, LibraryBenchmarkConfig};

/// For scenarios of one thread: the bench itself is counted, without what it is set up with.
pub(crate) fn config() -> LibraryBenchmarkConfig {
    with(Callgrind::with_args(["--cache-sim=no"]).entry_point(EntryPoint::Default))
}

/// For scenarios that say by [`counted`] what counts.
pub(crate) fn config_of_counted() -> LibraryBenchmarkConfig {
    with(Callgrind::with_args(["--cache-sim=no", "--instr-atstart=no"]).entry_point(EntryPoint::None))
}

fn with(callgrind: &mut Callgrind) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// What callgrind can be asked.
#[derive(Debug, Clone, Copy)]
enum Ask {
    StartInstrumentation = 0x4354_0004,
    StopInstrumentation = 0x4354_0005,
}

/// What `scenario` takes is counted, and what other threads do meanwhile.
pub(crate) fn counted<T>(scenario: impl FnOnce() -> T) -> T {
    ask(Ask::StartInstrumentation);
    let done = scenario();
    ask(Ask::StopInstrumentation);
    done
}

/// Tells callgrind something; without it nothing happens.
///
/// Source: valgrind.h and callgrind.h, whose macros do this. Bindings to them want clang where this is built.
#[cfg(target_arch = "x86_64")]
fn ask(request: Ask) {
    let arguments = [request as u64, 0, 0, 0, 0, 0];
    // SAFETY: rdi is turned by 128 bits in all, so that every register but rdx, which takes the answer, is as before.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_u64 => _,
            options(nostack),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ask(request: Ask) {
    panic!("how to ask callgrind for {} is known on x86-64 alone", request as u64);
}
