//! The engine on RabbitMQ, against a real one.

mod broker;

use broker::Broker;

async fn fresh() -> Broker {
    Broker::fresh().await
}

queue::contract_tests!(crate::amqp::fresh);
