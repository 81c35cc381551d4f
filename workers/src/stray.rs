//! Objects that came too late: put in the vault after a purge had deleted what they belong to.

use catalog::{Catalog, StrayDecision, Work};
use queue::Clock;
use twilio::RecordingSid;
use vault::{ObjectKey, ObjectStore, VaultError};

use crate::fault::Fault;

/// What became of an object that may be a stray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stray {
    /// It is kept, or was not there.
    None,
    /// The catalog knows no such recording: it was left.
    Unknown,
    /// It was there and is gone.
    Removed,
}

/// Deletes the object of `sid` that `made_by` put under `key`, where there is one and the catalog grants it.
pub(crate) async fn remove_stray(
    catalog: &Catalog,
    store: &dyn ObjectStore,
    clock: &Clock,
    (sid, made_by, key): (&RecordingSid, Work, &ObjectKey),
) -> Result<Stray, Fault> {
    if store.head(key).await.map_err(VaultError::from)?.is_none() {
        return Ok(Stray::None);
    }
    let permit = match catalog.grant_stray(sid, made_by, key.as_str()).await? {
        StrayDecision::Kept => return Ok(Stray::None),
        StrayDecision::Unknown => return Ok(Stray::Unknown),
        StrayDecision::Granted(permit) => permit,
    };
    store.delete(key).await.map_err(VaultError::from)?;
    if store.head(key).await.map_err(VaultError::from)?.is_some() {
        return Err(VaultError::StillThere(key.clone()).into());
    }
    catalog.complete_stray(permit, clock.now()).await?;
    tracing::warn!(recording.sid = %sid, object = %key, "an object written after its deletion was removed");
    Ok(Stray::Removed)
}
