//! The engine on RabbitMQ, against a real one.

mod broker;
mod outages;
mod proxy;
mod queues;
mod refusals;

queue::contract_tests!(crate::amqp::broker::Broker::fresh);
