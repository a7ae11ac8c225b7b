//! What the simulated venue does with orders, told as reports.

mod auctions;
mod desk;
mod exchange;
mod faults;
mod orders;
mod properties;
mod queues;
mod touch;
