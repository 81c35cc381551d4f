//! Whether these credentials may do what an engine does, found out without doing it.

use chrono::DateTime;

use super::attributes::Attributes;
use super::batch::BATCH_MOST;
use super::calls::Calls;
use super::fault::Fault;
use super::message::Outgoing;

/// A delay that SQS does not take.
const DELAY_SECS: i32 = 901;

impl Calls {
    /// Fails where messages may not be sent, received, deleted or hidden. Asks for each what SQS refuses because of what
    /// is asked, once it may be asked: no message moves. A KMS key is needed for what goes through only.
    pub(super) async fn check_rights(&self) -> Result<(), Fault> {
        let attributes = Attributes { published_at: DateTime::UNIX_EPOCH, ..Attributes::default() };
        let late = Outgoing { body: "{}".to_owned(), attributes, delay_secs: DELAY_SECS };
        let no_handle = || vec!["none".to_owned()];
        allowed(self.send(vec![late]).await)?;
        allowed(self.receive(BATCH_MOST + 1, 0, 0).await)?;
        allowed(self.put_back(no_handle()).await)?;
        allowed(self.delete(no_handle()).await)
    }
}

/// A refusal of what was asked says that it may be asked.
fn allowed<T>(asked: Result<T, Fault>) -> Result<(), Fault> {
    match asked {
        Err(Fault::BadRequest { .. } | Fault::LeaseLost) => Ok(()),
        asked => asked.map(drop),
    }
}
