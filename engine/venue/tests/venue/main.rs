//! What the simulated venue does with orders, told as reports.

mod auctions;
mod bands;
mod desk;
mod exchange;
mod faults;
mod latencies;
mod orders;
mod properties;
mod queues;
mod touch;
