//! The way back to JavaScript: its turn is called where a turn of the loop has left something that only it can do.

use std::ffi::c_void;
use std::ptr;

use napi::sys;

use crate::shared::Shared;

/// One JavaScript function and the environment that it lives in.
pub(crate) struct Host {
    env: sys::napi_env,
    on_turn: sys::napi_ref,
    shared: *const Shared,
    /// Sockets keep the function alive, as they keep the process alive; without any it is the broker's own to keep.
    is_kept: bool,
}

impl Host {
    /// None where the environment refuses.
    ///
    /// # Safety
    /// `env` and `on_turn` (a function) are valid now, on this thread, and `shared` drops this before it is dropped.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        on_turn: sys::napi_value,
        shared: *const Shared,
    ) -> Option<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: as above.
        if unsafe { sys::napi_create_reference(env, on_turn, 0, &mut reference) } != sys::Status::napi_ok {
            return None;
        }
        // SAFETY: the hook is removed in `drop`, and `shared` lives until then.
        unsafe { sys::napi_add_env_cleanup_hook(env, Some(environment_ends), shared.cast_mut().cast()) };
        Some(Self { env, on_turn: reference, shared, is_kept: false })
    }

    /// Whether there are sockets.
    pub(crate) fn keep(&mut self, is_kept: bool) {
        if std::mem::replace(&mut self.is_kept, is_kept) == is_kept {
            return;
        }
        // SAFETY: the reference lives until `drop`, on this thread.
        unsafe {
            if is_kept {
                sys::napi_reference_ref(self.env, self.on_turn, ptr::null_mut());
            } else {
                sys::napi_reference_unref(self.env, self.on_turn, ptr::null_mut());
            }
        }
    }

    /// What a call of the function needs, so that nothing is borrowed during it.
    pub(crate) fn caller(&self) -> Caller {
        Caller { env: self.env, on_turn: self.on_turn }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`, on this thread; the environment outlives what it has been lent to.
        unsafe {
            sys::napi_remove_env_cleanup_hook(
                self.env,
                Some(environment_ends),
                self.shared.cast_mut().cast(),
            );
            sys::napi_delete_reference(self.env, self.on_turn);
        }
    }
}

/// See [`Host::caller`].
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    env: sys::napi_env,
    on_turn: sys::napi_ref,
}

impl Caller {
    /// Calls the function as Node calls its own: microtasks run behind it, and what it throws is an uncaught
    /// exception.
    pub(crate) fn call(self) {
        let Self { env, on_turn } = self;
        let mut scope = ptr::null_mut();
        let (mut function, mut global) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the event loop calls on the environment's own thread, between JavaScript; the reference was alive
        // when the turn ended, and the scope bounds the values.
        unsafe {
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            sys::napi_get_reference_value(env, on_turn, &mut function);
            sys::napi_get_global(env, &mut global);
            if !function.is_null() && !global.is_null() {
                let mut result = ptr::null_mut();
                let status = sys::napi_make_callback(
                    env,
                    ptr::null_mut(),
                    global,
                    function,
                    0,
                    ptr::null(),
                    &mut result,
                );
                if status == sys::Status::napi_pending_exception {
                    let mut exception = ptr::null_mut();
                    sys::napi_get_and_clear_last_exception(env, &mut exception);
                    sys::napi_fatal_exception(env, exception);
                }
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}

/// A thread or the process ends: libuv wants all handles closed before its loop is.
unsafe extern "C" fn environment_ends(shared: *mut c_void) {
    // SAFETY: `Host` registers this with its `shared`, and takes it back before that is dropped.
    let shared = unsafe { Shared::from_pointer(shared.cast_const().cast()) };
    shared.let_go();
}
