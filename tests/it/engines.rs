//! The engines that a fleet runs on. A test that holds on all of them is written once, over a fleet that it is given,
//! and named in [`on_each_engine!`].

use catalog::contract::server::Database;
use rand::random;
use reqwest::Method;
use serde_json::{Value, json};
use vault::contract::s3_server::{self, ACCESS_KEY, SECRET_KEY};

use crate::fleet::{Fleet, variable};

/// Makes a test for each set of engines of each `async fn(Fleet)`: `NAME::embedded`, `NAME::rabbitmq`, `NAME::sqs`.
macro_rules! on_each_engine {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            use crate::fleet::Fleet;

            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                super::$test(Fleet::new().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn rabbitmq() {
                super::$test(Fleet::on_rabbitmq().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqs() {
                super::$test(Fleet::on_sqs().await).await;
            }
        })+
    };
}
pub(crate) use on_each_engine;

/// What a fleet has on servers that other tests use too.
pub(crate) struct Servers {
    /// Dropped with this.
    _database: Database,
    _vhost: Option<Vhost>,
}

impl Fleet {
    /// RabbitMQ, PostgreSQL and S3.
    pub(crate) async fn on_rabbitmq() -> Fleet {
        let vhost = Vhost::fresh().await;
        let url = format!("{}/{}", variable("TEST_AMQP_URL"), vhost.0);
        Fleet::on(url, Some(vhost)).await
    }

    /// SQS, PostgreSQL and S3.
    pub(crate) async fn on_sqs() -> Fleet {
        Fleet::on(format!("sqs://calls-{:016x}?region=eu-west-1", random::<u64>()), None).await
    }

    async fn on(queue_url: String, vhost: Option<Vhost>) -> Fleet {
        let mut fleet = Fleet::new().await;
        fleet.vault = "s3/calls";
        let servers = Servers { _database: Database::migrated().await, _vhost: vhost };
        std::fs::create_dir_all(fleet.path(fleet.vault)).unwrap();
        let identity = fleet.path("identity.txt").display().to_string();
        assert!(fleet.run(&["keys", "generate", "--output", &identity]).status.success());
        fleet.set("QUEUE_URL", queue_url);
        fleet.set("DATABASE_URL", servers._database.url().as_str());
        fleet.set("RECORDINGS_BUCKET", "s3://calls");
        fleet.set("ENCRYPTION_IDENTITY_FILE", identity);
        fleet.set("AWS_ENDPOINT_URL_SQS", variable("TEST_AWS_URL"));
        fleet.set("AWS_ENDPOINT_URL_S3", s3_server::serve(&fleet.path("s3")).await);
        fleet.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
        fleet.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        fleet.set("AWS_EC2_METADATA_DISABLED", "true");
        fleet.servers = Some(servers);
        fleet.json(&["migrate", "--queues"]);
        fleet
    }
}

/// A virtual host of RabbitMQ's, which goes with all its queues when dropped.
pub(crate) struct Vhost(pub(crate) String);

impl Vhost {
    pub(crate) async fn fresh() -> Vhost {
        let vhost = Vhost(format!("calls-{:016x}", random::<u64>()));
        ask_rabbitmq(Method::PUT, &format!("vhosts/{}", vhost.0), json!({})).await;
        vhost
    }
}

/// By its management API.
pub(crate) async fn ask_rabbitmq(method: Method, path: &str, body: Value) {
    let url = format!("{}/api/{path}", variable("TEST_AMQP_API_URL"));
    let answer = reqwest::Client::new().request(method, url).json(&body).send().await.unwrap();
    answer.error_for_status().unwrap();
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let path = format!("vhosts/{}", self.0);
        let deleted = ask_rabbitmq(Method::DELETE, &path, json!({}));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(deleted));
    }
}
