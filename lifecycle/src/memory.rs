//! How the allocator keeps what was freed.

/// Allocations from this size on get pages of their own, which go back to the kernel when they are freed.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 1024 * 1024;

/// Has large buffers go back to the kernel when they are freed. Safe to call again.
///
/// Left alone, glibc takes the size of the largest buffer that was ever freed as its limit for such pages:
/// after one password check of 19 MiB every further one comes from the heap of its thread and stays there.
pub fn return_large_buffers() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(unsafe_code, reason = "a call into the C library")]
        // SAFETY: it takes two numbers, sets a limit of the allocator, and locks for itself.
        let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
        if set != 1 {
            tracing::debug!("the allocator does not know its limit for large buffers");
        }
    }
}
