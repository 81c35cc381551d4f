//! Ingest with a spool, whose broker goes away and comes back. Workers have a way of their own to it.

use std::sync::Arc;

use serde_json::{Value, json};
use simulator::{CallPlan, CallbackPlan};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::fleet::{Fleet, Running, call, until, variable};
use crate::traces;
use crate::whole::assert_whole;

/// The way to a server, which can be shut.
struct Gate {
    address: String,
    is_open: watch::Sender<bool>,
    /// One clone here, one in the listener, and one in each connection.
    connections: Arc<()>,
}

impl Gate {
    /// Open, before the server at HOST:PORT.
    async fn before(server: &str) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_open, server) = (watch::Sender::new(true), server.to_owned());
        let (opened, connections) = (is_open.subscribe(), Arc::new(()));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut opened, server, counted) = (opened.clone(), server.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let _counted = counted;
                    let through = async {
                        let mut server = TcpStream::connect(server).await?;
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    tokio::select! { _ = through => {} _ = opened.wait_for(|is_open| !is_open) => {} }
                });
            }
        });
        Gate { address, is_open, connections }
    }

    /// Every connection has ended then, and new ones end at once.
    async fn shut(&self) {
        self.is_open.send_replace(false);
        until("every connection has ended", async || Arc::strong_count(&self.connections) == 2).await;
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }
}

/// A fleet whose ingest comes to the broker through a gate.
struct Gated {
    fleet: Fleet,
    gate: Gate,
    /// SQS promises none.
    keeps_order: bool,
    /// Of ingest alone.
    settings: Vec<(&'static str, String)>,
}

impl Gated {
    async fn on_rabbitmq() -> Gated {
        let fleet = Fleet::on_rabbitmq().await;
        let direct = fleet.settings.iter().find(|(name, _)| *name == "QUEUE_URL").unwrap().1.clone();
        let (user, rest) = direct.split_once('@').unwrap();
        let (host, vhost) = rest.split_once('/').unwrap();
        let gate = Gate::before(host).await;
        let url = format!("{user}@{}/{vhost}", gate.address);
        Gated::new(fleet, gate, true, ("QUEUE_URL", url))
    }

    async fn on_sqs() -> Gated {
        let fleet = Fleet::on_sqs().await;
        let gate = Gate::before(variable("TEST_AWS_URL").strip_prefix("http://").unwrap()).await;
        let endpoint = format!("http://{}", gate.address);
        Gated::new(fleet, gate, false, ("AWS_ENDPOINT_URL_SQS", endpoint))
    }

    fn new(fleet: Fleet, gate: Gate, keeps_order: bool, way: (&'static str, String)) -> Gated {
        let spool = ("INGEST_SPOOL_DIR", fleet.path("spool").display().to_string());
        Gated { fleet, gate, keeps_order, settings: vec![way, spool] }
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.push((name, value.into()));
    }

    async fn ingest(&self) -> Running {
        let ingest = self.fleet.start_with(&["ingest"], &self.settings);
        self.fleet.ready().await;
        ingest
    }

    /// The recording of a new call, and what its callback was answered with.
    async fn called(&self, index: u64) -> (String, u16) {
        let sid = self.fleet.twilio.add_recording(call(index)).recording_sid;
        let status = self.fleet.twilio.send_callback(&sid, "completed").await.status;
        (sid.to_string(), status)
    }

    /// Places calls; every callback has to be taken.
    async fn called_all(&self, indices: std::ops::Range<u64>) -> Vec<String> {
        let mut recordings = Vec::new();
        for index in indices {
            let (sid, status) = self.called(index).await;
            assert_eq!(status, 200, "{index}");
            recordings.push(sid);
        }
        recordings
    }

    async fn text(&self, route: &str) -> String {
        reqwest::get(self.fleet.ingest_url(route)).await.unwrap().text().await.unwrap()
    }

    /// A series of ingest's; `None` where it has none.
    async fn metric(&self, series: &str) -> Option<f64> {
        let page = self.text("/metrics").await;
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    async fn drained(&self) {
        until("the spool is empty", async || self.metric("callvault_spool_depth").await == Some(0.0)).await;
    }
}

async fn callbacks_while_the_broker_is_away_are_taken_and_archived_when_it_is_back(gated: Gated) {
    let _ingest = gated.ingest().await;
    gated.gate.shut().await;
    gated.called_all(0..6).await;
    let readiness = gated.text("/readyz").await;
    assert!(readiness.contains("callbacks go into the spool, which has 6 of 100000"), "{readiness}");
    assert_eq!(gated.metric("callvault_spool_depth").await, Some(6.0));
    until("its age shows", async || gated.metric("callvault_spool_oldest_age_seconds").await > Some(0.0)).await;
    gated.gate.open();
    gated.drained().await;
    assert_eq!(gated.metric("callvault_spool_accepted_total").await, Some(6.0));
    assert_eq!(gated.metric("callvault_spool_drained_total").await, Some(6.0));
    let _worker = gated.fleet.start(&["worker"]);
    gated.fleet.settled(6, &["transcribed"]).await;
    gated.fleet.idle().await;
    assert_whole(&gated.fleet);
}

/// The recordings to archive in the order that RabbitMQ has them, which a look leaves there; each once, as what was
/// confirmed late is there twice.
async fn queued_in_rabbitmq(fleet: &Fleet) -> Vec<String> {
    let url = &fleet.settings.iter().find(|(name, _)| *name == "QUEUE_URL").unwrap().1;
    let path = format!("api/queues/{}/callvault.archive/get", url.rsplit_once('/').unwrap().1);
    let look = json!({"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"});
    let asked = reqwest::Client::new().post(format!("{}/{path}", variable("TEST_AMQP_API_URL"))).json(&look);
    let messages: Vec<Value> = asked.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    let jobs = messages.iter().map(|message| message["payload"].as_str().unwrap());
    let jobs = jobs.map(|payload| serde_json::from_str::<Value>(payload).unwrap());
    let mut recordings = Vec::new();
    for job in jobs {
        let sid = job["recording"]["recording_sid"].as_str().unwrap().to_owned();
        if !recordings.contains(&sid) {
            recordings.push(sid);
        }
    }
    recordings
}

async fn kill_of_ingest_while_the_broker_is_away_loses_nothing(gated: Gated) {
    let ingest = gated.ingest().await;
    gated.gate.shut().await;
    let mut recordings = gated.called_all(0..4).await;
    ingest.kill();
    let again = gated.ingest().await;
    recordings.extend(gated.called_all(4..8).await);
    again.kill();
    gated.gate.open();
    let _ingest = gated.ingest().await;
    recordings.extend(gated.called_all(8..9).await);
    gated.drained().await;
    if gated.keeps_order {
        assert_eq!(queued_in_rabbitmq(&gated.fleet).await, recordings, "in the order of arrival");
    }
    let _worker = gated.fleet.start(&["worker", "--stages", "archive"]);
    gated.fleet.settled(9, &["archived"]).await;
}

async fn sigterm_while_the_broker_is_away_leaves_the_rest_for_the_next_start(gated: Gated) {
    let ingest = gated.ingest().await;
    gated.gate.shut().await;
    gated.called_all(0..3).await;
    assert_eq!(ingest.stop(), Some(0));
    assert!(gated.fleet.logged(&["callbacks stay in the spool", "waiting=3"]));
    gated.gate.open();
    let _ingest = gated.ingest().await;
    gated.drained().await;
    assert!(gated.fleet.queued("ready") >= 3);
}

async fn full_spool_refuses_and_a_forged_callback_takes_no_place_in_it(mut gated: Gated) {
    gated.set("INGEST_SPOOL_MAX_CALLBACKS", "2");
    let _ingest = gated.ingest().await;
    gated.gate.shut().await;
    let forged = CallPlan { callbacks: CallbackPlan { forged: true, ..CallbackPlan::default() }, ..call(0) };
    let placed = gated.fleet.twilio.place_call(forged).await;
    let statuses: Vec<_> = placed.callbacks.iter().map(|callback| callback.status).collect();
    assert!(statuses.contains(&403) && statuses.contains(&200), "{statuses:?}");
    assert_eq!(gated.metric("callvault_spool_depth").await, Some(1.0));
    assert_eq!((gated.called(1).await.1, gated.called(2).await.1), (200, 503));
    assert_eq!(gated.fleet.get("/readyz").await, 503);
    gated.gate.open();
    gated.fleet.ready().await;
    gated.drained().await;
    assert_eq!(gated.called(2).await.1, 200);
}

async fn callbacks_to_a_sound_broker_do_not_touch_the_spool(gated: Gated) {
    let _parts = (gated.ingest().await, gated.fleet.start(&["worker"]));
    for index in 0..3 {
        gated.fleet.place(call(index)).await;
    }
    gated.fleet.settled(3, &["transcribed"]).await;
    // A broker that took two seconds for an answer, on a machine with much else to do, is none that is sound.
    let was_slow = gated.fleet.logged(&["the queue takes no callbacks"]);
    assert!(was_slow || gated.metric("callvault_spool_accepted_total").await.is_none());
    until("it is ready, and says nothing of a spool", async || gated.text("/readyz").await == "ready\n").await;
}

async fn spooled_callback_and_its_archive_are_one_trace(mut gated: Gated) {
    let (endpoint, received) = traces::collector().await;
    gated.fleet.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    gated.fleet.set("OTEL_BSP_SCHEDULE_DELAY", "100");
    let _parts = (gated.ingest().await, gated.fleet.start(&["worker"]));
    gated.gate.shut().await;
    let sid = gated.called_all(0..1).await.remove(0);
    gated.gate.open();
    until("the spans are exported", async || {
        let spans = traces::of_recording(&received, &sid);
        ["callback", "archive"].iter().all(|name| spans.contains_key(*name))
    })
    .await;
    let spans = traces::of_recording(&received, &sid);
    let (callback, archive) = (&spans["callback"], &spans["archive"]);
    assert_eq!((&archive.trace_id, &archive.parent_span_id), (&callback.trace_id, &callback.span_id));
}

/// Makes a test on each broker: `NAME::rabbitmq`, `NAME::sqs`.
macro_rules! on_each_broker {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            #[tokio::test(flavor = "multi_thread")]
            async fn rabbitmq() {
                super::$test(super::Gated::on_rabbitmq().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqs() {
                super::$test(super::Gated::on_sqs().await).await;
            }
        })+
    };
}

on_each_broker!(
    callbacks_while_the_broker_is_away_are_taken_and_archived_when_it_is_back,
    kill_of_ingest_while_the_broker_is_away_loses_nothing,
    sigterm_while_the_broker_is_away_leaves_the_rest_for_the_next_start,
    full_spool_refuses_and_a_forged_callback_takes_no_place_in_it,
    callbacks_to_a_sound_broker_do_not_touch_the_spool,
    spooled_callback_and_its_archive_are_one_trace,
);

/// A fleet with a spool, whose broker nobody will ever see.
async fn without_broker() -> Fleet {
    let mut fleet = Fleet::new().await;
    fleet.set("QUEUE_URL", "amqp://callvault:not-the-secret@127.0.0.1:1/calls");
    fleet.set("INGEST_SPOOL_DIR", fleet.path("spool").display().to_string());
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn second_ingest_on_a_spool_is_refused() {
    let fleet = without_broker().await;
    let _ingest = fleet.start(&["ingest"]);
    // Ready without a broker: it was never seen, and callbacks are taken.
    fleet.ready().await;
    let mut command = fleet.command(&["ingest"]);
    let output = command.env("LISTEN_ADDR", "127.0.0.1:0").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("INGEST_SPOOL_DIR") && said.contains("is the spool of another process"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_spool_ends_ingest_with_the_way_out() {
    let fleet = without_broker().await;
    std::fs::create_dir(fleet.path("spool")).unwrap();
    std::fs::write(fleet.path("spool/spool.db"), vec![7; 8192]).unwrap();
    let said = fleet.refused(1, &["ingest"]).await;
    let words = ["INGEST_SPOOL_DIR", "spool.db", "is damaged", "move it away", "callvault reconcile"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

/// What `callvault check` finds of the spool.
fn finding(fleet: &Fleet) -> (bool, String) {
    let output = fleet.run(&["check", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let spool = findings.find(|finding| finding["what"] == "spool").unwrap();
    (spool["ok"].as_bool().unwrap(), spool["detail"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_a_spool_that_takes_callbacks_from_one_that_does_not() {
    let mut fleet = without_broker().await;
    fleet.set("PUBLIC_BASE_URL", "https://voice.example.com");
    let (is_ok, detail) = finding(&fleet);
    assert!(is_ok && detail.contains("0 of 100000 callbacks wait in it"), "{detail}");
    assert!(!fleet.path("spool/spool.db").exists(), "a look makes no spool");
    let _ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    let sid = fleet.twilio.add_recording(call(0)).recording_sid;
    assert_eq!(fleet.twilio.send_callback(&sid, "completed").await.status, 200);
    let (is_ok, detail) = finding(&fleet);
    assert!(is_ok && detail.contains("1 of 100000 callbacks wait in it"), "{detail}");
    fleet.set("INGEST_SPOOL_DIR", "/sys/callvault-spool");
    let (is_ok, detail) = finding(&fleet);
    assert!(!is_ok && detail.contains("INGEST_SPOOL_DIR: /sys/callvault-spool cannot be written"), "{detail}");
}
