//! The layer below the engine: the few things that it asks of a file, and the file of the operating system.
//!
//! A trait, so that tests can cut the power at every write and every sync.

use std::fmt::Debug;
use std::fs::File;
use std::io;

/// One file of a store. What is written is seen by later reads at once, and by nobody after a power loss unless
/// [`StoreFile::sync`] has returned since.
pub trait StoreFile: Debug + Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Of the file.
    fn len(&self) -> io::Result<u64>;

    /// True where it has no bytes.
    ///
    /// # Errors
    /// Of the file.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `out` from this offset on.
    ///
    /// # Errors
    /// Of the file; `UnexpectedEof` where it is too short.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of it, beyond the end, too.
    ///
    /// # Errors
    /// Of the file; some of it may have been written.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts it off, or makes it longer with zeros.
    ///
    /// # Errors
    /// Of the file.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns once all that has been written would survive a power loss.
    ///
    /// # Errors
    /// Of the file; what has been written since the last sync may then be lost, whatever a later one says.
    fn sync(&self) -> io::Result<()>;
}

impl StoreFile for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    #[cfg(unix)]
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, out, offset)
    }

    #[cfg(unix)]
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, data, offset)
    }

    #[cfg(windows)]
    fn read(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !out.is_empty() {
            let count = self.seek_read(out, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += count as u64;
            out = out.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }

    #[cfg(windows)]
    fn write(&self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !data.is_empty() {
            let count = self.seek_write(data, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += count as u64;
            data = data.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
