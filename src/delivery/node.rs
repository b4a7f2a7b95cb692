//! Which node this is: a name that stays, and the proof that no other process bears it.

use std::fs::{File, OpenOptions};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::rand::SecureRandom;

/// This process as a holder of leases.
#[derive(Debug)]
pub struct Node {
    name: String,
    /// Locked for as long as the process lives; `None` for a second process on the same data folder.
    lock: Option<File>,
}

impl Node {
    /// Takes the data folder's node name; a process that comes second gets a name of its own.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn take(data_dir: &Path) -> std::io::Result<Self> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data_dir.join("node.lock"))?;
        if lock.try_lock().is_err() {
            return Ok(Self {
                name: fresh_name(),
                lock: None,
            });
        }
        let path = data_dir.join("node.name");
        let name = match std::fs::read_to_string(&path) {
            Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
            _ => {
                let name = fresh_name();
                std::fs::write(&path, &name)?;
                name
            }
        };
        Ok(Self {
            name,
            lock: Some(lock),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether leases under this name can only be those of a process that is dead.
    pub fn is_sole(&self) -> bool {
        self.lock.is_some()
    }
}

fn fresh_name() -> String {
    let mut bytes = [0_u8; 8];
    // Without chance two nodes would share a name only if they also shared the process number.
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        bytes = u64::from(std::process::id()).to_be_bytes();
    }
    HEXLOWER.encode(&bytes)
}
