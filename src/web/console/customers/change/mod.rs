//! What people of the firm do for a customer: take him in, set his fields right, write down what he said, give him
//! his data, erase him.

pub(super) mod erase;
pub(super) mod export;
mod form;
pub(super) mod notes;
pub(super) mod permission;
pub(super) mod profile;

use super::nobody;
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::ids::CustomerId;
use crate::web::{ApiError, State};

async fn customer(state: &State, id: CustomerId) -> Result<Customer, ApiError> {
    customers::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| nobody(id))
}
