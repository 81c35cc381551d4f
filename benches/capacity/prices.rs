//! List prices in US dollars, looked up in November 2026, and where they are written. Check the pages: prices change,
//! and yours may be others.

/// A vCPU for an hour: the CPU cost of the Linux example, $0.000011244 a second, on
/// <https://aws.amazon.com/fargate/pricing/> (read 2026-09-20). Memory comes on top; a worker's is a few percent of it.
pub(crate) const VCPU_HOUR: f64 = 0.000_011_244 * 3600.0;
/// 1,000 requests of the class PUT, in us-east-1 with S3 Standard: <https://aws.amazon.com/s3/pricing/>, as
/// <https://devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples> tells it. DELETE is free.
pub(crate) const S3_WRITES_PER_1K: f64 = 0.005;
/// 1,000 requests of the class GET: same page.
pub(crate) const S3_READS_PER_1K: f64 = 0.0004;
/// A GB for a month, first 50 TB: same page.
pub(crate) const S3_GB_MONTH: f64 = 0.023;
/// A GB sent out of AWS, first 10 TB a month: same page. Nothing, where the transcriber is in the same region.
pub(crate) const EGRESS_GB: f64 = 0.09;
/// A minute recorded. Twilio's own recording resource shows it in its example ("price": "-0.00250"):
/// <https://www.twilio.com/docs/voice/api/recording>.
pub(crate) const TWILIO_MINUTE: f64 = 0.0025;
/// A minute kept for a month, after the first 10,000:
/// <https://support.twilio.com/hc/en-us/articles/223183228-How-Does-Twilio-s-Pricing-Work>.
pub(crate) const TWILIO_KEPT_MINUTE_MONTH: f64 = 0.0005;
/// A minute of one channel, pre-recorded, with nova-3, as most lists have it (2026):
/// <https://mcp.directory/skills/deepgram-cost-tuning>. Each channel is charged:
/// <https://github.com/orgs/deepgram/discussions/932>.
pub(crate) const TRANSCRIBER_MINUTE_LEAST: f64 = 0.0043;
/// The same, as another list read it on <https://deepgram.com/pricing> on 2026-08-01.
pub(crate) const TRANSCRIBER_MINUTE_MOST: f64 = 0.0077;
/// How long recordings are kept: callvault's default.
pub(crate) const KEPT_MONTHS: f64 = 1.0;
