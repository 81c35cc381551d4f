//! What is allowed together and may surprise.

use super::Config;
use super::addresses::is_in_the_clear;
use crate::settings::Origin;

/// Settings that do nothing where nothing transcribes.
const OF_TRANSCRIPTION: [&str; 4] =
    ["deepgram_api_key", "transcription_command", "transcription_language", "transcription_model"];

impl Config {
    /// Risky values and pairs of values, each as a sentence.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.about_addresses();
        warnings.extend(self.about_transcripts());
        warnings.extend(self.about_deletion());
        warnings
    }

    fn about_addresses(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.public_base_url.as_ref().is_some_and(|url| is_in_the_clear(url.as_url())) {
            warnings.push(
                "PUBLIC_BASE_URL is http: callbacks come in the clear, and who reads one can send it again: use https"
                    .to_owned(),
            );
        }
        if self.twilio.as_ref().is_some_and(|twilio| is_in_the_clear(&twilio.api_url)) {
            warnings.push("TWILIO_API_URL is http: credentials and recordings go in the clear: use https".to_owned());
        }
        if self.delivery.as_ref().is_some_and(|delivery| is_in_the_clear(&delivery.url)) {
            warnings.push("DELIVERY_WEBHOOK_URL is http: transcripts go in the clear: use https".to_owned());
        }
        let origin = |key| self.values.origin(key);
        if origin("port").is_some() && origin("listen_addr") > Some(Origin::Default) {
            warnings.push(format!("PORT and LISTEN_ADDR are both set: listening on {}", self.listen_addr));
        }
        warnings
    }

    fn about_transcripts(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let is_set = |key: &&str| self.values.text(key).is_some();
        if self.transcribes() {
            if !self.has_identity() {
                warnings.push(
                    "TRANSCRIPTION_PROVIDER is set and ENCRYPTION_IDENTITY_FILE is not: this process can archive, and \
                     not transcribe or deliver"
                        .to_owned(),
                );
            }
        } else if self.delivery.is_some() {
            warnings.push(
                "DELIVERY_WEBHOOK_URL is set and TRANSCRIPTION_PROVIDER is none: nothing will be posted".to_owned(),
            );
        } else if let Some(key) = OF_TRANSCRIPTION.iter().find(|key| is_set(key)) {
            let name = key.to_uppercase();
            warnings.push(format!("{name} is set and TRANSCRIPTION_PROVIDER is none: nothing will be transcribed"));
        }
        if self.delivery.is_none() && is_set(&"delivery_webhook_secret") {
            warnings.push(
                "DELIVERY_WEBHOOK_SECRET is set and DELIVERY_WEBHOOK_URL is not: nothing will be posted".to_owned(),
            );
        }
        warnings
    }

    fn about_deletion(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let policy = &self.policy;
        if policy.retention_days == 0 {
            warnings.push(
                "RETENTION_DAYS is 0: every recording is deleted, at Twilio too, by the first sweep that sees it"
                    .to_owned(),
            );
        } else if policy.transcript_days == 0 {
            warnings.push(
                "RETENTION_TRANSCRIPT_DAYS is 0: every transcript is deleted by the first sweep that sees it"
                    .to_owned(),
            );
        }
        if policy.twilio_delete_after_days == Some(0) && !self.has_identity() {
            warnings.push(
                "TWILIO_DELETE_AFTER_DAYS is 0 and this process has no ENCRYPTION_IDENTITY_FILE: archived copies are \
                 checked by size before Twilio's copy goes, not by opening them"
                    .to_owned(),
            );
        }
        if let Some(days) = policy.twilio_delete_after_days
            && days > policy.retention_days
        {
            warnings.push(format!(
                "TWILIO_DELETE_AFTER_DAYS ({days}) is longer than RETENTION_DAYS ({}): Twilio's copy goes with the rest",
                policy.retention_days
            ));
        }
        warnings
    }
}
