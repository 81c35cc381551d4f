//! `callvault simulate`: the simulator alone.

use std::process::ExitCode;

use secrecy::ExposeSecret;
use serde_json::json;
use simulator::{Simulator, SimulatorConfig};

use crate::cli::{LogFormat, SimulateOptions};
use crate::output::Output;
use crate::serve::until_told_to_stop;
use crate::telemetry;

/// The account every simulator has unless told otherwise; its token is no secret.
pub(crate) const ACCOUNT_SID: &str = "AC5100000000000000000000000000ca11";
pub(crate) const AUTH_TOKEN: &str = "simulated-token-that-is-no-secret";

pub(crate) async fn run(options: &SimulateOptions, log_format: &LogFormat, output: Output) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(log_format, "info", None)?;
    let shutdown = until_told_to_stop();
    let simulator = Simulator::start(SimulatorConfig {
        listen: options.listen,
        account_sid: ACCOUNT_SID.parse()?,
        auth_token: AUTH_TOKEN.into(),
        callback_url: options.callback_url.clone(),
        callback_target: None,
        seed: options.seed,
    })
    .await?;
    let settings = json!({
        "twilio_api_url": simulator.url().as_str(),
        "twilio_account_sid": simulator.account_sid().as_str(),
        "twilio_auth_token": simulator.auth_token().expose_secret(),
        "transcription_provider": "deepgram",
        "deepgram_api_url": simulator.url().as_str(),
        "deepgram_api_key": "simulated",
    });
    output.document(&settings, |_| introduction(&simulator, options.callback_url.is_some()))?;
    shutdown.cancelled().await;
    simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn introduction(simulator: &Simulator, calls_back: bool) -> String {
    let callbacks = match calls_back {
        true => "",
        false => "Nobody is called back: name your recording status callback with --callback-url, or run reconcile.\n",
    };
    let url = simulator.url();
    let url = url.as_str().trim_end_matches('/');
    format!(
        "a simulated Twilio and transcriber, not the real ones. Settings to use it:\n\
         TWILIO_API_URL={url}\nTWILIO_ACCOUNT_SID={}\nTWILIO_AUTH_TOKEN={}\n\
         TRANSCRIPTION_PROVIDER=deepgram\nDEEPGRAM_API_URL={url}\nDEEPGRAM_API_KEY=simulated\n\
         {callbacks}\
         Place calls, each with an index of its own: \
         curl {url}/simulator/calls -H 'content-type: application/json' -d '{{\"index\": 1}}'\n\
         See {url}/simulator/counters and {url}/simulator/recordings.",
        simulator.account_sid(),
        simulator.auth_token().expose_secret(),
    )
}
