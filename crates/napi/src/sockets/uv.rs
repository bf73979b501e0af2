//! The few functions of libuv that driving sockets takes, found at run time, and the handles made with them.
//!
//! Node's event loop is libuv's, and N-API hands it out (`napi_get_uv_event_loop`). The functions are looked up in the
//! process instead of being linked, so that the addon still loads where there are none: then sockets stay with Node.
//!
//! A handle's memory begins with libuv's part and ends with ours, so that a callback finds its way from the pointer
//! that libuv gives it. It is freed when libuv says that the handle is closed.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::shared::Shared;

/// `UV_READABLE` and `UV_WRITABLE`.
pub(crate) const READABLE: c_int = 1;
pub(crate) const WRITABLE: c_int = 2;

/// Places in libuv's `uv_handle_type`, which is part of its ABI.
const TYPE_CHECK: c_int = 2;
const TYPE_IDLE: c_int = 6;
const TYPE_POLL: c_int = 8;

/// Room for libuv's part of a handle: its largest takes 160 bytes on 64-bit systems. Looked at before anything is made.
const HANDLE_WORDS: usize = 24;

type Handle = *mut c_void;
type OnClose = unsafe extern "C" fn(Handle);
type OnPoll = unsafe extern "C" fn(Handle, c_int, c_int);
type OnTurn = unsafe extern "C" fn(Handle);

macro_rules! functions {
    ($($field:ident: $name:literal, fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn find() -> Option<Self> {
                Some(Self { $($field: {
                    let address = find($name)?;
                    // SAFETY: the symbol of this name is libuv's function, whose signature is fixed within libuv 1,
                    // the only one that Node has had.
                    unsafe {
                        std::mem::transmute::<
                            NonNull<c_void>,
                            unsafe extern "C" fn($($argument),*) $(-> $result)?,
                        >(address)
                    }
                },)* })
            }
        }
    };
}

functions! {
    version: c"uv_version", fn() -> c_uint;
    handle_size: c"uv_handle_size", fn(c_int) -> usize;
    close: c"uv_close", fn(Handle, Option<OnClose>);
    unref: c"uv_unref", fn(Handle);
    poll_init: c"uv_poll_init", fn(*mut c_void, Handle, c_int) -> c_int;
    poll_start: c"uv_poll_start", fn(Handle, c_int, OnPoll) -> c_int;
    poll_stop: c"uv_poll_stop", fn(Handle) -> c_int;
    check_init: c"uv_check_init", fn(*mut c_void, Handle) -> c_int;
    check_start: c"uv_check_start", fn(Handle, OnTurn) -> c_int;
    idle_init: c"uv_idle_init", fn(*mut c_void, Handle) -> c_int;
    idle_start: c"uv_idle_start", fn(Handle, OnTurn) -> c_int;
    idle_stop: c"uv_idle_stop", fn(Handle) -> c_int;
}

fn find(name: &CStr) -> Option<NonNull<c_void>> {
    let name: *const c_char = name.as_ptr();
    // SAFETY: `name` ends with a NUL; looking a symbol up has no other condition.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) })
}

/// libuv's functions, where this process has them and their handles have the sizes that we know.
fn functions() -> Option<&'static Functions> {
    static FOUND: OnceLock<Option<Functions>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let functions = Functions::find()?;
        // SAFETY: these two take numbers and give numbers.
        let (version, largest) = unsafe {
            let sizes = [TYPE_POLL, TYPE_CHECK, TYPE_IDLE].map(|kind| (functions.handle_size)(kind));
            ((functions.version)(), sizes.into_iter().max().unwrap_or(usize::MAX))
        };
        let fits = version >> 16 == 1 && largest <= HANDLE_WORDS * 8;
        fits.then_some(functions)
    });
    found.as_ref()
}

/// The event loop of one thread.
#[derive(Clone, Copy)]
pub(crate) struct EventLoop {
    functions: &'static Functions,
    pointer: NonNull<c_void>,
}

impl EventLoop {
    /// The loop behind a pointer of `napi_get_uv_event_loop`. None where libuv's functions cannot be had.
    ///
    /// # Safety
    /// `pointer` is a loop of libuv, runs on this thread, and lives at least as long as all handles made with it.
    pub(crate) unsafe fn new(pointer: *mut c_void) -> Option<Self> {
        Some(Self { functions: functions()?, pointer: NonNull::new(pointer)? })
    }
}

/// A handle in memory of its own; `T` is what its callback needs.
#[repr(C)]
struct Cell<T> {
    libuv: [u64; HANDLE_WORDS],
    ours: T,
}

fn allocate<T>(ours: T) -> NonNull<Cell<T>> {
    NonNull::from(Box::leak(Box::new(Cell { libuv: [0; HANDLE_WORDS], ours })))
}

/// # Safety
/// `handle` came from [`allocate`] with the same `T`, and nothing uses it any more.
unsafe extern "C" fn free<T>(handle: Handle) {
    // SAFETY: as above; libuv calls this once, when it has let go of the handle.
    drop(unsafe { Box::from_raw(handle.cast::<Cell<T>>()) });
}

struct OfSocket {
    shared: *const Shared,
    connection: u32,
}

/// Watches one descriptor for its loop, until it is dropped.
pub(crate) struct Poll {
    functions: &'static Functions,
    cell: NonNull<Cell<OfSocket>>,
}

impl Poll {
    /// Nothing is watched for yet. None where libuv refuses the descriptor.
    ///
    /// # Safety
    /// `shared` drops this handle before it is dropped itself.
    pub(crate) unsafe fn new(
        event_loop: EventLoop,
        descriptor: BorrowedFd<'_>,
        shared: *const Shared,
        connection: u32,
    ) -> Option<Self> {
        let EventLoop { functions, pointer } = event_loop;
        let cell = allocate(OfSocket { shared, connection });
        // SAFETY: the loop is alive and the cell is large enough, see `functions`.
        let outcome =
            unsafe { (functions.poll_init)(pointer.as_ptr(), cell.as_ptr().cast(), descriptor.as_raw_fd()) };
        if outcome != 0 {
            // SAFETY: libuv has not taken the handle.
            unsafe { free::<OfSocket>(cell.as_ptr().cast()) };
            return None;
        }
        Some(Self { functions, cell })
    }

    /// Watches for these events from now on; for none with 0.
    pub(crate) fn watch(&self, events: c_int) {
        let handle = self.cell.as_ptr().cast();
        // SAFETY: the handle was initialised by `new` and is not closed before `drop`.
        unsafe {
            if events == 0 {
                (self.functions.poll_stop)(handle);
            } else {
                (self.functions.poll_start)(handle, events, on_poll);
            }
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        // SAFETY: closed once; libuv calls no other callback of the handle after this, and frees the cell.
        unsafe { (self.functions.close)(self.cell.as_ptr().cast(), Some(free::<OfSocket>)) };
    }
}

unsafe extern "C" fn on_poll(handle: Handle, _status: c_int, events: c_int) {
    // SAFETY: only `Poll::watch` installs this, for cells of this kind, and `shared` outlives the handle.
    let OfSocket { shared, connection } = unsafe { &(*handle.cast::<Cell<OfSocket>>()).ours };
    // SAFETY: as above. The reference is held through the call, whatever it leads to.
    let shared = unsafe { Shared::from_pointer(*shared) };
    guarded(|| shared.socket_is_ready(*connection, events));
}

/// What happens once in each turn of the loop, after all sockets that were ready have been looked at.
pub(crate) struct Turn {
    functions: &'static Functions,
    check: NonNull<Cell<*const Shared>>,
    idle: NonNull<Cell<*const Shared>>,
}

impl Turn {
    /// Keeps neither the loop nor the process alive.
    ///
    /// # Safety
    /// `shared` drops this before it is dropped itself.
    pub(crate) unsafe fn new(event_loop: EventLoop, shared: *const Shared) -> Self {
        let EventLoop { functions, pointer } = event_loop;
        let (check, idle) = (allocate(shared), allocate(shared));
        // SAFETY: the loop is alive and the cells are large enough. Neither initialisation can fail.
        unsafe {
            (functions.check_init)(pointer.as_ptr(), check.as_ptr().cast());
            (functions.idle_init)(pointer.as_ptr(), idle.as_ptr().cast());
            (functions.check_start)(check.as_ptr().cast(), on_turn);
            (functions.unref)(check.as_ptr().cast());
            (functions.unref)(idle.as_ptr().cast());
        }
        Self { functions, check, idle }
    }

    /// Whether the next turn comes at once instead of waiting for news.
    pub(crate) fn hurry(&self, hurries: bool) {
        let handle = self.idle.as_ptr().cast();
        // SAFETY: initialised in `new`, not closed before `drop`; starting and stopping twice does nothing.
        unsafe {
            if hurries {
                (self.functions.idle_start)(handle, on_idle);
            } else {
                (self.functions.idle_stop)(handle);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        for cell in [self.check, self.idle] {
            // SAFETY: closed once, and freed when libuv has let go of it.
            unsafe { (self.functions.close)(cell.as_ptr().cast(), Some(free::<*const Shared>)) };
        }
    }
}

unsafe extern "C" fn on_turn(handle: Handle) {
    // SAFETY: only `Turn::new` installs this, for cells of this kind, and `shared` outlives the handle.
    let shared = unsafe { Shared::from_pointer((*handle.cast::<Cell<*const Shared>>()).ours) };
    guarded(|| shared.turn_ends());
}

/// An idle handle only keeps the loop from waiting.
unsafe extern "C" fn on_idle(_handle: Handle) {}

/// libuv is C: nothing may unwind into it. Panics of the core do not get here; this is for our own.
fn guarded(work: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(work));
}
