//! What the vault writes, Debian's `age` opens, and the other way round.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use vault::{ByteStream, Identities, ObjectKey, S3Options, Vault, VaultError, generate_identity_file, open_store};

struct Fixture {
    folder: tempfile::TempDir,
    vault: Vault,
    key: ObjectKey,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.txt");
    let recipients = generate_identity_file(&path).unwrap();
    std::fs::create_dir(folder.path().join("vault")).unwrap();
    let url = format!("file:{}", folder.path().join("vault").display());
    let store = open_store(&url, S3Options::default()).await.unwrap();
    let vault = Vault::new(store, recipients, Some(Identities::from_file(&path).unwrap()));
    Fixture { folder, vault, key: "recordings/a/b.wav.age".parse().unwrap() }
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

fn stream_of(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

async fn opened(vault: &Vault, key: &ObjectKey) -> Vec<u8> {
    let chunks: Vec<Bytes> = vault.open(key).await.unwrap().try_collect().await.unwrap();
    chunks.concat()
}

/// What `age` wrote to its standard output.
pub(crate) fn age(arguments: &[&str], folder: &Path) -> Vec<u8> {
    let ran = Command::new("age").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let output = ran.expect("the age command is missing: run `make test`, which installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn debian_age_opens_what_the_vault_sealed_at_every_chunk_boundary() {
    for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
        let Fixture { folder, vault, key } = fixture().await;
        let sealed = vault.seal(&key, stream_of(&plain(length)), None).await.unwrap();
        assert_eq!(sealed.plain_bytes, length as u64);
        let by_age = age(&["-d", "-i", "identity.txt", &format!("vault/{key}")], folder.path());
        assert_eq!(by_age, plain(length), "{length}");
        assert_eq!(opened(&vault, &key).await, plain(length), "{length}");
    }
}

#[tokio::test]
async fn object_is_as_long_as_its_plain_length_tells_at_every_chunk_boundary() {
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000] {
        let Fixture { folder, vault, key } = fixture().await;
        // The store refuses a body that is not as long as it was told.
        let sealed = vault.seal(&key, stream_of(&plain(length)), Some(length as u64)).await.unwrap();
        let file = std::fs::metadata(folder.path().join("vault").join(key.as_str())).unwrap();
        assert_eq!((sealed.plain_bytes, sealed.sealed_bytes), (length as u64, file.len()), "{length}");
        assert_eq!(opened(&vault, &key).await, plain(length), "{length}");
    }
}

#[tokio::test]
async fn vault_opens_what_debian_age_sealed() {
    let Fixture { folder, vault, key } = fixture().await;
    vault.seal(&key, stream_of(b"x"), None).await.unwrap();
    std::fs::write(folder.path().join("plain"), plain(200_000)).unwrap();
    age(&["-e", "-i", "identity.txt", "-o", &format!("vault/{key}"), "plain"], folder.path());
    assert_eq!(opened(&vault, &key).await, plain(200_000));
}

#[tokio::test]
async fn ranges_are_what_the_plain_bytes_hold_there() {
    let Fixture { vault, key, folder: _folder } = fixture().await;
    let bytes = plain(200_000);
    vault.seal(&key, stream_of(&bytes), None).await.unwrap();
    for range in [0..10, 65_530..65_540, 131_072..200_000, 199_999..250_000, 100..100] {
        let chunks: Vec<Bytes> = vault.open_range(&key, range.clone()).await.unwrap().try_collect().await.unwrap();
        let end = (range.end as usize).min(bytes.len());
        assert_eq!(chunks.concat(), bytes[range.start as usize..end], "{range:?}");
    }
}

#[tokio::test]
async fn range_behind_the_end_is_empty_and_no_damage() {
    for length in [0, 10, 65_536, 200_000] {
        let Fixture { vault, key, folder: _folder } = fixture().await;
        vault.seal(&key, stream_of(&plain(length)), None).await.unwrap();
        for behind in [0, 1, 5_000, 65_536, 1_000_000, u64::MAX - length as u64] {
            let start = length as u64 + behind;
            let read = vault.open_range(&key, start..u64::MAX).await.unwrap().try_collect::<Vec<Bytes>>().await;
            assert_eq!(read.unwrap().concat(), [0; 0], "{start} of {length}");
        }
    }
}

/// The directory store reads on the runtime's blocking threads: here there are only two.
#[test]
fn many_streams_open_at_once_are_all_read_to_their_end() {
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(2).enable_all().build().unwrap();
    let read = runtime.block_on(async {
        let Fixture { vault, key, folder: _folder } = fixture().await;
        vault.seal(&key, stream_of(&plain(400_000)), None).await.unwrap();
        let all = async {
            let open = (0..8).map(|_| vault.open(&key));
            let open = futures::future::try_join_all(open).await.unwrap();
            futures::future::join_all(open.into_iter().map(|body| body.try_collect::<Vec<Bytes>>())).await
        };
        tokio::time::timeout(Duration::from_secs(20), all).await
    });
    runtime.shutdown_background();
    let read = read.expect("they wait for each other");
    assert!(read.into_iter().all(|read| read.unwrap().concat() == plain(400_000)));
}

#[tokio::test]
async fn flipped_byte_or_missing_end_is_an_error_before_the_end() {
    let Fixture { folder, vault, key } = fixture().await;
    vault.seal(&key, stream_of(&plain(200_000)), None).await.unwrap();
    let path = folder.path().join("vault").join(key.as_str());
    let whole = std::fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let last = whole.len() - 1;
    let damaged = [flipped(100), flipped(1000), flipped(last), whole[..last].to_vec(), whole[..65_752].to_vec()];
    for bytes in damaged {
        std::fs::write(&path, &bytes).unwrap();
        let read = match vault.open(&key).await {
            Ok(body) => body.try_collect::<Vec<Bytes>>().await.is_ok(),
            Err(_) => false,
        };
        assert!(!read, "{} bytes", bytes.len());
    }
}

#[tokio::test]
async fn broken_source_leaves_nothing_visible() {
    let Fixture { folder, vault, key } = fixture().await;
    let broken = stream::iter([Ok(Bytes::from(plain(100_000))), Err(std::io::Error::other("cut"))]).boxed();
    assert!(vault.seal(&key, broken, None).await.is_err());
    assert_eq!(vault.head(&key).await.unwrap(), None);
    let unfinished = std::fs::read_dir(folder.path().join("vault/.unfinished")).unwrap();
    assert_eq!(unfinished.count(), 0);
}

#[tokio::test]
async fn wrong_key_and_missing_key_are_told_apart_from_damage() {
    let Fixture { folder, vault, key } = fixture().await;
    vault.seal(&key, stream_of(b"speech"), None).await.unwrap();
    let other = folder.path().join("other.txt");
    let recipients = generate_identity_file(&other).unwrap();
    let store = || std::sync::Arc::clone(vault.store());
    let stranger = Vault::new(store(), recipients.clone(), Some(Identities::from_file(&other).unwrap()));
    assert!(matches!(stranger.open(&key).await.err(), Some(VaultError::WrongKey)));
    let keyless = Vault::new(store(), recipients, None);
    assert!(matches!(keyless.open(&key).await.err(), Some(VaultError::NoIdentity)));
}

#[tokio::test]
async fn deleted_object_is_seen_to_be_gone_and_may_be_deleted_again() {
    let Fixture { vault, key, folder: _folder } = fixture().await;
    vault.seal(&key, stream_of(b"speech"), None).await.unwrap();
    vault.delete_all(std::slice::from_ref(&key)).await.remove(0).unwrap();
    assert_eq!(vault.head(&key).await.unwrap(), None);
    vault.delete_all(std::slice::from_ref(&key)).await.remove(0).unwrap();
}

#[test]
fn key_file_is_the_owners_alone_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.txt");
    generate_identity_file(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(generate_identity_file(&path).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
