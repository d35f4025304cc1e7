//! Machine code on its way into the engine. It lies in a file without a name, so that the kernel keeps in memory
//! what is called and no more; a copy in memory would be kept whole. Knows nothing of where the code comes from.

use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads machine code, which must be of our own compiler, through a file in `folder` if that is possible.
pub(crate) fn load(engine: &Engine, code: &[u8], folder: &Path) -> wasmtime::Result<Component> {
    match through_a_file(engine, code, folder) {
        Ok(component) => Ok(component),
        Err(error) => {
            tracing::debug!(error = format!("{error:#}"), "a compiled rule is kept in memory");
            from_memory(engine, code)
        }
    }
}

#[expect(
    unsafe_code,
    reason = "machine code is loaded as it is; it bears a seal of ours"
)]
fn from_memory(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code was made by our compiler process for this engine and has
    // not changed since: `artifact::open` has held its seal against both.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "machine code is loaded as it is; it bears a seal of ours"
)]
fn through_a_file(engine: &Engine, code: &[u8], folder: &Path) -> wasmtime::Result<Component> {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(code)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: as in `from_memory`; and the file has no name, so nobody changes it while it is mapped.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(not(target_os = "linux"))]
fn through_a_file(_: &Engine, _: &[u8], _: &Path) -> wasmtime::Result<Component> {
    Err(wasmtime::Error::msg("only Linux opens a file that has no name"))
}
