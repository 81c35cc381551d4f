//! What AWS answers when it does not do as asked, in words that say what to do.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::error::{QueueError, Source};

/// Longest word of AWS's that is repeated.
const SAID_LENGTH_MOST: usize = 300;

/// Why a call, or one entry of it, failed. One failed call may be ten callers' fault.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The receipt handle is no longer the message's.
    LeaseLost,
    /// More waits to be sent than the bound allows.
    Overloaded,
    /// There is no such queue, or not for these credentials.
    NoQueue,
    /// It may be asked, but not so.
    BadRequest {
        /// AWS's own words.
        source: Source,
    },
    /// Everything else; it may heal.
    Unavailable {
        /// What is wrong and what to do.
        problem: &'static str,
        /// AWS's own words, without anything secret.
        source: Option<Source>,
    },
}

/// What AWS said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

impl Fault {
    pub(super) const fn unavailable(problem: &'static str) -> Fault {
        Fault::Unavailable { problem, source: None }
    }

    /// Puts a failed call into words.
    pub(super) fn of_call<E>(error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let problem = match error {
            SdkError::ServiceError(answer) => {
                if let Some(code) = answer.err().code() {
                    return Fault::of_code(code, answer.err().message());
                }
                // What stands before SQS, and servers that stand in for it, may refuse in XML.
                let body = std::str::from_utf8(answer.raw().body().bytes().unwrap_or_default()).unwrap_or_default();
                let status = answer.raw().status().to_string();
                return Fault::of_code(xml_text(body, "Code").unwrap_or(&status), xml_text(body, "Message"));
            }
            SdkError::TimeoutError(_) => "SQS did not answer in time: see the network and AWS's health page",
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
                "SQS cannot be reached: see the region, the endpoint and the network"
            }
            SdkError::DispatchFailure(_) => "the request was not sent: see the credentials, the role and the endpoint",
            SdkError::ResponseError(_) => "what answered is not SQS: see the endpoint",
            _ => "the request could not be made",
        };
        Fault::Unavailable { problem, source: Some(said(causes(error))) }
    }

    /// Puts the code of a refusal into words (SQS API Reference: Common Errors, and each action's own).
    pub(super) fn of_code(code: &str, message: Option<&str>) -> Fault {
        let message = message.unwrap_or_default();
        // With or without "AWS.SimpleQueueService.", "KMS." and the like before it, "Exception" after it.
        let name = code.rsplit('.').next().unwrap_or(code).trim_end_matches("Exception");
        let problem = match name {
            "ReceiptHandleIsInvalid" | "MessageNotInflight" => return Fault::LeaseLost,
            // Standard queues have no code of their own for a handle that another receive made stale.
            "InvalidParameterValue" if message.contains("parameter ReceiptHandle is invalid") => {
                return Fault::LeaseLost;
            }
            "NonExistentQueue" | "QueueDoesNotExist" => return Fault::NoQueue,
            "InvalidParameterValue" | "ReadCountOutOfRange" | "InvalidParameterCombination" | "ValidationError" => {
                return Fault::BadRequest { source: said(format!("{code}: {message}")) };
            }
            // The words of these may repeat what was signed, a session token included.
            "SignatureDoesNotMatch" | "InvalidSignature" | "IncompleteSignature" | "RequestExpired" => {
                return Fault::Unavailable {
                    problem: "AWS does not accept the signature: see AWS_SECRET_ACCESS_KEY and this machine's clock",
                    source: Some(said(code.to_owned())),
                };
            }
            "InvalidClientTokenId"
            | "UnrecognizedClient"
            | "InvalidAccessKeyId"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "InvalidSecurity" => {
                "AWS does not know the credentials: see AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or the role"
            }
            "ExpiredToken" => "the credentials have expired: renew AWS_SESSION_TOKEN, or use a role",
            _ if code.to_ascii_uppercase().starts_with("KMS") => {
                "the KMS key it is encrypted with refuses: see kms:Decrypt and kms:GenerateDataKey in docs/engines/sqs.md"
            }
            "AccessDenied" | "UnauthorizedOperation" | "OptInRequired" => {
                "rights are missing: docs/engines/sqs.md has the policy of each role"
            }
            "OverLimit" => "too many of its messages are in flight (120,000): see what the workers wait for",
            "RequestThrottled" | "Throttling" | "ThrottledException" | "TooManyRequests" => {
                "AWS throttles: too many requests a second"
            }
            _ => "SQS refuses",
        };
        Fault::Unavailable { problem, source: Some(said(format!("{code}: {message}"))) }
    }

    /// The error of an operation on `queue`.
    pub(super) fn at(self, queue: &str) -> QueueError {
        match self {
            Fault::LeaseLost => QueueError::LeaseLost,
            Fault::Overloaded => QueueError::Overloaded,
            Fault::NoQueue => Fault::unavailable(
                "it does not exist in this account and region, or is not for this role: `callvault migrate --queues` \
                 makes it",
            )
            .at(queue),
            Fault::BadRequest { source } => {
                Fault::Unavailable { problem: "SQS refuses", source: Some(source) }.at(queue)
            }
            Fault::Unavailable { problem, source } => {
                QueueError::Unavailable { queue: queue.to_owned(), problem: problem.to_owned(), source }
            }
        }
    }
}

/// The text of the first element of that name.
fn xml_text<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0)
}

fn said(mut words: String) -> Source {
    if let Some((end, _)) = words.char_indices().nth(SAID_LENGTH_MOST) {
        words.truncate(end);
    }
    Arc::new(Said(words))
}

/// An error's causes, outermost first. The error itself only says which phase failed.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.dedup();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, message: &str) -> String {
        let error = Fault::of_code(code, Some(message)).at("calls-archive");
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    }

    /// Codes as SQS sends them over its query and its JSON protocol.
    #[test]
    fn refusals_are_told_apart_whichever_protocol_names_them() {
        for (codes, expected) in [
            (&["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"][..], "migrate --queues"),
            (&["InvalidClientTokenId", "UnrecognizedClientException"], "AWS_ACCESS_KEY_ID"),
            (&["SignatureDoesNotMatch", "InvalidSignatureException"], "AWS_SECRET_ACCESS_KEY"),
            (&["ExpiredToken", "ExpiredTokenException"], "expired"),
            (&["AccessDenied", "AccessDeniedException"], "rights are missing"),
            (&["KMS.AccessDeniedException", "KmsAccessDenied"], "kms:Decrypt"),
            (&["ThrottlingException", "RequestThrottled"], "throttles"),
        ] {
            for code in codes {
                let told = told(code, "why");
                assert!(told.contains(expected), "{code}: {told}");
            }
        }
    }

    /// Words that standard queues were seen to answer with (boto/boto3 #2898, mapbox/ecs-watchbot #135).
    #[test]
    fn stale_receipt_handle_is_a_lost_lease() {
        for message in [
            "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.",
        ] {
            assert!(matches!(Fault::of_code("InvalidParameterValue", Some(message)), Fault::LeaseLost), "{message}");
        }
        let other = Fault::of_code("InvalidParameterValue", Some("Value 901 for parameter DelaySeconds is invalid."));
        assert!(matches!(other, Fault::BadRequest { .. }));
    }

    #[test]
    fn words_about_a_signature_are_not_repeated() {
        let told = told("SignatureDoesNotMatch", "The Canonical String should have been x-amz-security-token:FwoG");
        assert!(!told.contains("FwoG"), "{told}");
    }
}
