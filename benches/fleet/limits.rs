//! What encryption and hashing take by themselves: one thread, bytes that are there already.

use std::io::Write;
use std::time::Instant;

use age::x25519::Identity;
use aws_lc_rs::digest;

use crate::bench::Bench;
use crate::measure::spread::Spread;

const BYTES: u64 = 1_000_000_000;
const CHUNK: usize = 64 * 1024;

#[expect(clippy::print_stdout, reason = "the answer of this program")]
pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let (bytes, runs) = (bench.options.count(BYTES), bench.options.pairs);
    let measured = tokio::task::spawn_blocking(move || {
        let chunk: Vec<u8> = (0..CHUNK).map(|index| (index * 7 % 251) as u8).collect();
        let (mut sealed, mut hashed) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            sealed.push(secs_a_gb(bytes, || seal(&chunk, bytes))?);
            hashed.push(secs_a_gb(bytes, || hash(&chunk, bytes))?);
        }
        anyhow::Ok([Spread::of(sealed), Spread::of(hashed)])
    });
    let [sealed, hashed] = measured.await??;
    let note = format!("CPU seconds a GB by themselves: age {sealed:.2}, SHA-256 {hashed:.2}");
    println!("{note}\n");
    bench.notes.push(note);
    Ok(())
}

fn seal(chunk: &[u8], bytes: u64) -> anyhow::Result<()> {
    let recipient = Identity::generate().to_public();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))?;
    let mut writer = encryptor.wrap_output(std::io::sink())?;
    for _ in 0..bytes / chunk.len() as u64 {
        writer.write_all(chunk)?;
    }
    writer.finish()?;
    Ok(())
}

fn hash(chunk: &[u8], bytes: u64) -> anyhow::Result<()> {
    let mut hash = digest::Context::new(&digest::SHA256);
    for _ in 0..bytes / chunk.len() as u64 {
        hash.update(chunk);
    }
    std::hint::black_box(hash.finish());
    Ok(())
}

fn secs_a_gb(bytes: u64, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (before, began) = (thread_cpu_secs(), Instant::now());
    work()?;
    // A kernel that does not count leaves the clock on the wall.
    let secs = thread_cpu_secs().zip(before).map(|(after, before)| after - before);
    Ok(secs.unwrap_or_else(|| began.elapsed().as_secs_f64()) * 1e9 / bytes as f64)
}

/// Of this thread so far.
fn thread_cpu_secs() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}
