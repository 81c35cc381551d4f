//! Objects as files in a folder.
//!
//! A put writes to a temporary name in `.unfinished`, syncs, renames, and syncs the folder: what has its name is whole
//! and on the disk.

mod durable;
mod presence;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use uuid::Uuid;

use crate::ByteStream;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;
use crate::measured::measured;
use crate::store::{ObjectMeta, ObjectStore};
use durable::{above, make_folder, remove, sync};
use presence::Presence;

const UNFINISHED: &str = ".unfinished";
const READ_BYTES: usize = 256 * 1024;
/// Written to the file at a time.
const WRITE_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Directory {
    root: PathBuf,
    presence: Presence,
}

/// A file that is removed again unless it got its name.
struct Unfinished {
    path: PathBuf,
    is_named: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_named {
            // What is left all the same, sweep_unfinished finds.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Directory {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Directory { presence: Presence::of(&root), root }
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Does something with each file of an unfinished put that is so old; how many there were.
    async fn unfinished(
        &self,
        older_than: Duration,
        done: impl Fn(&Path) -> io::Result<()> + Send + 'static,
    ) -> Result<usize, StoreError> {
        let folder = self.root.join(UNFINISHED);
        let name = folder.display().to_string();
        blocking(move || each_old(&folder, older_than, done)).await.map_err(|error| StoreError::io(name, error))
    }

    fn begin(&self) -> io::Result<(Unfinished, File)> {
        self.presence.check()?;
        let folder = self.root.join(UNFINISHED);
        make_folder(&self.root, &folder)?;
        let unfinished = Unfinished { path: folder.join(Uuid::now_v7().to_string()), is_named: false };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished.path)?;
        Ok((unfinished, file))
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Gives a finished file its name, on the disk.
fn name(mut unfinished: Unfinished, file: File, root: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    let folder = above(path);
    make_folder(root, folder)?;
    if folder != root {
        // Another put may have made the folder this moment, and not have synced its entry yet.
        sync(above(folder))?;
    }
    fs::rename(&unfinished.path, path)?;
    unfinished.is_named = true;
    sync(folder)
}

fn meta(root: &Path, path: &Path) -> io::Result<Option<ObjectMeta>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let key = path.strip_prefix(root).ok().and_then(|path| path.to_str()).and_then(|path| path.parse().ok());
    let modified_at = DateTime::<Utc>::from(metadata.modified()?);
    Ok(key.map(|key| ObjectMeta { key, bytes: metadata.len(), modified_at }))
}

#[async_trait]
impl ObjectStore for Directory {
    async fn prepare(&self) -> Result<(), StoreError> {
        let store = self.clone();
        let made = blocking(move || {
            make_folder(Path::new("/"), &store.root.join(UNFINISHED))?;
            store.presence.check()
        });
        made.await.map_err(|error| StoreError::io(self.root.display(), error))
    }

    async fn put(&self, key: &ObjectKey, body: ByteStream, bytes: Option<u64>) -> Result<u64, StoreError> {
        let mut body = match bytes {
            Some(bytes) => measured(body, bytes),
            None => body,
        };
        let failed = |error| StoreError::io(key, self.presence.explain(error));
        let store = self.clone();
        let (unfinished, mut file) = blocking(move || store.begin()).await.map_err(failed)?;
        let mut total = 0;
        let mut gathered = Vec::with_capacity(WRITE_BYTES);
        loop {
            let next = body.next().await.transpose().map_err(|error| StoreError::source_broke(key, error))?;
            let is_last = next.is_none();
            gathered.extend_from_slice(&next.unwrap_or_default());
            if gathered.len() >= WRITE_BYTES || is_last {
                total += gathered.len() as u64;
                (file, gathered) = blocking(move || {
                    file.write_all(&gathered)?;
                    gathered.clear();
                    Ok((file, gathered))
                })
                .await
                .map_err(failed)?;
            }
            if is_last {
                break;
            }
        }
        let (root, path) = (self.root.clone(), self.path(key));
        blocking(move || name(unfinished, file, &root, &path)).await.map_err(failed)?;
        Ok(total)
    }

    async fn get(&self, key: &ObjectKey, start: u64, end: Option<u64>) -> Result<ByteStream, StoreError> {
        let (store, path) = (self.clone(), self.path(key));
        let opened = blocking(move || {
            let mut file = File::open(path).or_else(|error| store.presence.check().and(Err(error)))?;
            file.seek(SeekFrom::Start(start))?;
            Ok(file)
        });
        let file = opened.await.map_err(|error| StoreError::io(key, error))?;
        let left = end.map_or(u64::MAX, |end| end.saturating_sub(start));
        let reading = (file, left, self.presence.clone(), key.clone());
        let chunks = stream::try_unfold(reading, |(mut file, left, presence, key)| async move {
            let read = blocking(move || {
                let mut chunk = vec![0; READ_BYTES.min(usize::try_from(left).unwrap_or(READ_BYTES))];
                let read = file.read(&mut chunk).or_else(|error| presence.check().and(Err(error)))?;
                chunk.truncate(read);
                Ok((Bytes::from(chunk), (file, left - read as u64, presence)))
            });
            // A disk that fails says nothing of the object: without the kind it would read as a damaged one.
            let (chunk, (file, left, presence)) =
                read.await.map_err(|error| io::Error::other(StoreError::io(&key, error)))?;
            Ok((!chunk.is_empty()).then_some((chunk, (file, left, presence, key))))
        });
        Ok(chunks.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectMeta>, StoreError> {
        let (store, path) = (self.clone(), self.path(key));
        blocking(move || {
            let found = meta(&store.root, &path)?;
            // In that order: what vanishes in between does not read as "it is gone".
            if found.is_none() {
                store.presence.check()?;
            }
            Ok(found)
        })
        .await
        .map_err(|error| StoreError::io(key, error))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let (store, path) = (self.clone(), self.path(key));
        let deleted = blocking(move || {
            remove(&path)?;
            // In that order: what vanishes in between does not read as "it is gone".
            store.presence.check()
        });
        deleted.await.map_err(|error| StoreError::io(key, error))
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        let first = self.root.join(prefix);
        stream::unfold((vec![first], self.clone()), |(mut folders, store)| async move {
            let folder = folders.pop()?;
            let name = folder.display().to_string();
            let within = store.clone();
            let read =
                blocking(move || within.presence.check().and_then(|()| read_folder(&within.root, &folder))).await;
            let found = match read {
                Ok((objects, below)) => {
                    folders.extend(below);
                    objects.into_iter().map(Ok).collect()
                }
                Err(error) => vec![Err(StoreError::io(name, error))],
            };
            Some((stream::iter(found), (folders, store)))
        })
        .flatten()
        .boxed()
    }

    async fn count_unfinished(&self, older_than: Duration) -> Result<usize, StoreError> {
        self.unfinished(older_than, |_| Ok(())).await
    }

    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize, StoreError> {
        self.unfinished(older_than, |path| fs::remove_file(path)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let key: ObjectKey =
            "check/probe".parse().map_err(|_| StoreError::new(StoreErrorKind::Unsupported, "probe"))?;
        self.put(&key, stream::iter([Ok(Bytes::from_static(b"probe"))]).boxed(), None).await?;
        self.head(&key).await?;
        self.delete(&key).await
    }
}

fn read_folder(root: &Path, folder: &Path) -> io::Result<(Vec<ObjectMeta>, Vec<PathBuf>)> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        entries => entries?,
    };
    let (mut objects, mut below) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if entry.file_name() != UNFINISHED {
                below.push(entry.path());
            }
        } else {
            objects.extend(meta(root, &entry.path())?);
        }
    }
    Ok((objects, below))
}

fn each_old(folder: &Path, older_than: Duration, done: impl Fn(&Path) -> io::Result<()>) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut old = 0;
    for entry in entries {
        old += usize::from(is_old(&entry?, older_than, &done)?);
    }
    Ok(old)
}

/// Whether the file was old, and that is done. One that got its name or was swept in the meantime was not.
fn is_old(entry: &fs::DirEntry, older_than: Duration, done: impl Fn(&Path) -> io::Result<()>) -> io::Result<bool> {
    let seen = entry.metadata().and_then(|metadata| {
        // A clock that went back makes a file look newer than now: it is left for the next sweep.
        let is_old = metadata.modified()?.elapsed().is_ok_and(|age| age >= older_than);
        if is_old { done(&entry.path()).map(|()| true) } else { Ok(false) }
    });
    match seen {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        seen => seen,
    }
}
