//! A bucket that keeps versions, at moto, which scripts/with-test-servers runs.

use reqwest::header::HeaderMap;

use crate::fleet::variable;

pub(crate) struct Bucket {
    pub(crate) url: String,
}

impl Bucket {
    pub(crate) async fn fresh() -> Bucket {
        let bucket = Bucket { url: format!("{}/calls-{:016x}", variable("TEST_AWS_URL"), rand::random::<u64>()) };
        let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        for (url, body) in [(bucket.url.clone(), ""), (format!("{}?versioning", bucket.url), versioning)] {
            let put = reqwest::Client::new().put(url).body(body).send().await.unwrap();
            assert!(put.status().is_success(), "{}", put.status());
        }
        bucket
    }

    pub(crate) fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap()
    }

    /// The server's URL.
    pub(crate) fn server(&self) -> &str {
        self.url.rsplit_once('/').unwrap().0
    }

    /// The key of every version and of every delete marker.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            // moto takes an empty marker for a key.
            let after = keys.last().map(|key| format!("&key-marker={key}")).unwrap_or_default();
            let page = self.ask(&format!("versions{after}")).await;
            keys.extend(page.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned()));
            if !page.contains("<IsTruncated>true") {
                return keys;
            }
        }
    }

    /// What the server tells of the object.
    pub(crate) async fn head(&self, key: &str) -> HeaderMap {
        // moto checks no signature, and refuses who sends none.
        let head = reqwest::Client::new().head(format!("{}/{key}", self.url)).header("x-amz-checksum-mode", "ENABLED");
        head.header("authorization", "AWS AKTEST:none")
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .headers()
            .clone()
    }

    async fn ask(&self, query: &str) -> String {
        let answer = reqwest::get(format!("{}?{query}", self.url)).await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }
}
