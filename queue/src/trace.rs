//! The trace that a message belongs to, so that a callback, its archive and its delivery are one.

use std::fmt;
use std::str::FromStr;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A `traceparent` of version 00 (W3C Trace Context, section 3.2): it travels beside a message's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

/// The text is no `traceparent` of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct TraceParentError;

impl TraceParent {
    /// The span that is current here; `None` where nothing traces.
    pub fn current() -> Option<TraceParent> {
        let context = Span::current().context();
        let span = context.span().span_context().clone();
        span.is_valid().then_some(TraceParent(span))
    }

    /// Makes `span` a child of the one this came from. Without effect where nothing traces.
    pub fn adopt(&self, span: &Span) {
        // It fails only where no layer would export the span anyway.
        let _ = span.set_parent(Context::new().with_remote_span_context(self.0.clone()));
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.0.trace_id(), self.0.span_id(), self.0.trace_flags().to_u8())
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<TraceParent, TraceParentError> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags] = parts[..] else { return Err(TraceParentError) };
        let is_lower_hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let lengths = (version, trace.len(), span.len(), flags.len());
        if lengths != ("00", 32, 16, 2) || ![trace, span, flags].into_iter().all(is_lower_hex) {
            return Err(TraceParentError);
        }
        let trace = TraceId::from_hex(trace).map_err(|_| TraceParentError)?;
        let span = SpanId::from_hex(span).map_err(|_| TraceParentError)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| TraceParentError)?;
        let context = SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::NONE);
        if context.is_valid() { Ok(TraceParent(context)) } else { Err(TraceParentError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of W3C Trace Context, section 3.2.3.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn traceparent_is_read_and_written_as_the_specification_shows() {
        assert_eq!(EXAMPLE.parse::<TraceParent>().unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn what_the_specification_calls_invalid_is_refused() {
        let zero_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let zero_span = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        let upper = EXAMPLE.to_uppercase();
        for text in ["", "00", zero_trace, zero_span, &upper, &EXAMPLE[1..], &format!("{EXAMPLE}-"), "é"] {
            assert_eq!(text.parse::<TraceParent>(), Err(TraceParentError), "{text}");
        }
    }
}
