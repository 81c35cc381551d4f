//! S3's refusals in the words that decide what to do about them.

use std::error::Error;
use std::fmt::Display;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

use super::bucket::Bucket;
use crate::error::{StoreError, StoreErrorKind};

/// The answer's status, where there was an answer.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// S3's own word for what is wrong, where the answer has one.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

impl Bucket {
    /// Why a request about `what`, which needs `right`, came to nothing.
    pub(super) fn failed<E>(&self, what: &dyn Display, right: &str, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let (kind, problem) = match &error {
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
                let (code, status) = (code(&error).unwrap_or_default(), status(&error).unwrap_or_default());
                self.refused(code, status, right)
            }
            SdkError::TimeoutError(_) => {
                (StoreErrorKind::Unavailable, format!("{} did not answer in time", self.place))
            }
            _ if is_about_credentials(&error) => {
                let mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the machine a role";
                (StoreErrorKind::Denied, format!("no AWS credentials could be had: {mend}"))
            }
            _ => (StoreErrorKind::Unavailable, format!("{} cannot be reached", self.place)),
        };
        StoreError::new(kind, format!("{what}: {problem} ({})", said(&error)))
    }

    fn refused(&self, code: &str, status: u16, right: &str) -> (StoreErrorKind, String) {
        let (bucket, place) = (&self.name, &self.place);
        match (code, status) {
            ("NoSuchKey", _) => (StoreErrorKind::NotFound, "no such object".to_owned()),
            // Of an upload under way: a lifecycle rule aborted it, or a first try to complete it did so unheard.
            ("NoSuchUpload", _) => (StoreErrorKind::Unavailable, format!("{place} has ended the upload already")),
            ("NoSuchBucket", _) => (StoreErrorKind::NoStore, self.missing().to_string()),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, 301 | 307 | 308) => {
                let problem = format!("bucket {bucket} is in another region than {place}: set AWS_REGION to its own");
                (StoreErrorKind::NoStore, problem)
            }
            (
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "NotSignedUp"
                | "ExpiredToken"
                | "InvalidToken"
                | "TokenRefreshRequired",
                _,
            ) => {
                let problem = format!("{place} does not accept the AWS credentials: they are wrong or have run out");
                (StoreErrorKind::Denied, problem)
            }
            ("RequestTimeTooSkewed", _) => {
                let problem = "this machine's clock is off: start a time service (chrony, systemd-timesyncd)";
                (StoreErrorKind::Denied, problem.to_owned())
            }
            (code, _) if code.starts_with("KMS.") => {
                let problem =
                    "the KMS key cannot be used: see S3_SSE_KMS_KEY_ID and the rights kms:GenerateDataKey, kms:Decrypt";
                (StoreErrorKind::Denied, problem.to_owned())
            }
            ("QuotaExceeded" | "XMinioStorageFull" | "StorageFull", _) | (_, 507) => {
                (StoreErrorKind::Full, format!("{place} has no space left"))
            }
            ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) | (_, 401 | 403) => {
                (StoreErrorKind::Denied, format!("bucket {bucket} refuses it: the credentials lack the right {right}"))
            }
            ("NotImplemented" | "MethodNotAllowed", _) | (_, 405 | 501) => {
                (StoreErrorKind::Unsupported, format!("{place} cannot do that"))
            }
            (_, 404) => (StoreErrorKind::NotFound, "not found".to_owned()),
            (_, 500..) => (StoreErrorKind::Unavailable, format!("{place} is overloaded or failed")),
            _ => (StoreErrorKind::Unavailable, format!("{place} refuses the request")),
        }
    }
}

fn is_about_credentials<E: Error + Send + Sync + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The server's own words; where there are none, the innermost cause.
fn said<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let Some(status) = status(error) else {
        return causes(error).last().map(ToString::to_string).unwrap_or_default();
    };
    let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
    let words = [
        meta.and_then(|meta| meta.code()).map(str::to_owned),
        meta.and_then(|meta| meta.message()).map(str::to_owned),
        meta.and_then(RequestId::request_id).map(|id| format!("request {id}")),
    ];
    let words = words.into_iter().flatten().filter(|word| !word.is_empty());
    std::iter::once(format!("HTTP {status}")).chain(words).collect::<Vec<_>>().join(", ")
}
