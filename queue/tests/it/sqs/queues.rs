//! The queues themselves: made, missing, wrongly named.

use super::*;

#[tokio::test]
async fn queues_are_made_once() {
    let engine = Sqs::named();
    let made = queue::provision(&engine.url()).await.unwrap();
    let lanes = Stage::ALL.into_iter().flat_map(|stage| [Lane::dead(stage), Lane::live(stage)]);
    assert_eq!(made, lanes.map(|lane| engine.name(lane)).collect::<Vec<_>>());
    assert!(queue::provision(&engine.url()).await.unwrap().is_empty());
}

#[tokio::test]
async fn missing_queue_is_named_and_found_once_it_is_made() {
    let engine = Sqs::named();
    let queue = engine.open().await;
    let error = queue.check().await.unwrap_err().to_string();
    assert!(error.contains(&engine.name(Lane::live(Stage::Archive))) && error.contains("migrate --queues"), "{error}");
    assert!(queue.publish(&job(1), Duration::ZERO).await.is_err());
    queue::provision(&engine.url()).await.unwrap();
    queue.check().await.unwrap();
    queue.publish(&job(1), Duration::ZERO).await.unwrap();
    assert_eq!(next(queue.as_ref()).await.job().unwrap(), job(1));
}

#[tokio::test]
async fn url_without_a_usable_name_is_refused() {
    for url in ["sqs:calls", "sqs://", "sqs://a.fifo?region=eu-west-1", "sqs://calls?region=eu-west-1&queue=x"] {
        let error = open(url, Clock::System).await.unwrap_err();
        assert!(matches!(&error, QueueError::Unsupported(problem) if problem.starts_with("sqs: ")), "{url}: {error}");
    }
}
