//! What a rule needs of a runtime: memory and an end. A call gets a fresh memory
//! and it is thrown away after, so nothing is ever freed.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

const PAGE: usize = 65536;

struct Bump {
    /// First free byte; 0 before the first use.
    next: Cell<usize>,
    /// End of the memory.
    end: Cell<usize>,
}

// SAFETY: wasm32 without threads has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static MEMORY: Bump = Bump {
    next: Cell::new(0),
    end: Cell::new(0),
};

unsafe extern "C" {
    /// Where the linker says that free memory begins.
    static __heap_base: u8;
}

impl Bump {
    /// Grows the memory so that it reaches `needed`.
    fn reach(&self, needed: usize) -> bool {
        if needed <= self.end.get() {
            return true;
        }
        let pages = (needed - self.end.get()).div_ceil(PAGE);
        if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
            return false;
        }
        self.end.set(self.end.get() + pages * PAGE);
        true
    }
}

// SAFETY: each block begins at or after the end of the last one that is in use,
// is aligned as asked and lies within the memory.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.next.get() == 0 {
            self.next.set((&raw const __heap_base).addr());
            self.end.set(core::arch::wasm32::memory_size(0) * PAGE);
        }
        let Some(start) = self.next.get().checked_next_multiple_of(layout.align()) else {
            return core::ptr::null_mut();
        };
        let Some(end) = start.checked_add(layout.size()) else {
            return core::ptr::null_mut();
        };
        if !self.reach(end) {
            return core::ptr::null_mut();
        }
        self.next.set(end);
        start as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The last block can be given back, as it costs nothing.
        if block.addr() + layout.size() == self.next.get() {
            self.next.set(block.addr());
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size <= layout.size() {
            return block;
        }
        // The last block grows in place: most vectors and strings do.
        let is_last = block.addr() + layout.size() == self.next.get();
        if is_last && let Some(end) = block.addr().checked_add(size) {
            if !self.reach(end) {
                return core::ptr::null_mut();
            }
            self.next.set(end);
            return block;
        }
        // SAFETY: the caller gives a valid block, its layout and a size above zero.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
            }
            new
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
