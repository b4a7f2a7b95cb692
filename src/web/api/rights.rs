//! Which scope a token needs for what: the one table that the guard, the routes and the document read.

use actix_web::http::Method;

use crate::config::Scope;
use crate::config::Scope::{
    Admin, CampaignsLaunch, CampaignsRead, CampaignsWrite, CouponsRead, CouponsRedeem,
    CouponsWrite, CustomersRead, CustomersWrite, ImportsRead, ImportsWrite, InboxRead, InboxWrite,
    OrdersRead, OrdersWrite, PermissionsWrite, ReportsRead, ResponsesWrite, SegmentsRead,
    SegmentsWrite, SuppressionsRead, SuppressionsWrite, TemplatesRead, TemplatesWrite,
    WebhooksRead, WebhooksWrite,
};

/// Method, path, and the scope; `None`: any token of ours.
pub(super) const TABLE: &[(&str, &str, Option<Scope>)] = &[
    ("GET", "/api/v1/token", None),
    ("GET", "/api/v1/customers", Some(CustomersRead)),
    ("POST", "/api/v1/customers", Some(CustomersWrite)),
    ("POST", "/api/v1/customers/bulk", Some(CustomersWrite)),
    ("GET", "/api/v1/customers/{customer}", Some(CustomersRead)),
    (
        "PATCH",
        "/api/v1/customers/{customer}",
        Some(CustomersWrite),
    ),
    (
        "DELETE",
        "/api/v1/customers/{customer}",
        Some(CustomersWrite),
    ),
    (
        "GET",
        "/api/v1/customers/{customer}/export",
        Some(CustomersWrite),
    ),
    (
        "GET",
        "/api/v1/customers/{customer}/timeline",
        Some(CustomersRead),
    ),
    (
        "GET",
        "/api/v1/customers/{customer}/why",
        Some(CustomersRead),
    ),
    (
        "GET",
        "/api/v1/customers/{customer}/permissions",
        Some(CustomersRead),
    ),
    (
        "POST",
        "/api/v1/customers/{customer}/permissions",
        Some(PermissionsWrite),
    ),
    (
        "POST",
        "/api/v1/customers/{customer}/opt-out",
        Some(PermissionsWrite),
    ),
    (
        "GET",
        "/api/v1/customers/{customer}/proof",
        Some(CustomersRead),
    ),
    (
        "GET",
        "/api/v1/customers/{customer}/notes",
        Some(CustomersRead),
    ),
    (
        "POST",
        "/api/v1/customers/{customer}/notes",
        Some(CustomersWrite),
    ),
    (
        "DELETE",
        "/api/v1/customers/{customer}/notes/{note}",
        Some(CustomersWrite),
    ),
    // Of their own: a file may bring permissions and orders too, and whoever delivers files need not look people up.
    ("GET", "/api/v1/imports", Some(ImportsRead)),
    ("POST", "/api/v1/imports", Some(ImportsWrite)),
    ("GET", "/api/v1/imports/{import}", Some(ImportsRead)),
    ("PATCH", "/api/v1/imports/{import}", Some(ImportsWrite)),
    ("DELETE", "/api/v1/imports/{import}", Some(ImportsWrite)),
    ("GET", "/api/v1/imports/{import}/preview", Some(ImportsRead)),
    (
        "GET",
        "/api/v1/imports/{import}/rejected",
        Some(ImportsRead),
    ),
    ("POST", "/api/v1/imports/{import}/try", Some(ImportsWrite)),
    ("POST", "/api/v1/imports/{import}/begin", Some(ImportsWrite)),
    ("GET", "/api/v1/suppressions", Some(SuppressionsRead)),
    ("POST", "/api/v1/suppressions", Some(SuppressionsWrite)),
    ("POST", "/api/v1/suppressions/check", Some(SuppressionsRead)),
    ("POST", "/api/v1/orders", Some(OrdersWrite)),
    ("GET", "/api/v1/orders/unmatched", Some(OrdersRead)),
    ("POST", "/api/v1/responses", Some(ResponsesWrite)),
    ("POST", "/api/v1/coupons/redeem", Some(CouponsRedeem)),
    ("GET", "/api/v1/coupons/{code}", Some(CouponsRead)),
    ("GET", "/api/v1/coupon-pools", Some(CouponsRead)),
    (
        "POST",
        "/api/v1/coupon-pools/{pool}/codes",
        Some(CouponsWrite),
    ),
    ("GET", "/api/v1/segments", Some(SegmentsRead)),
    ("POST", "/api/v1/segments", Some(SegmentsWrite)),
    ("POST", "/api/v1/segments/count", Some(SegmentsRead)),
    ("POST", "/api/v1/segments/explain", Some(SegmentsRead)),
    ("POST", "/api/v1/segments/reach", Some(SegmentsRead)),
    ("POST", "/api/v1/segments/study", Some(SegmentsRead)),
    ("GET", "/api/v1/segments/words", Some(SegmentsRead)),
    ("GET", "/api/v1/segments/{segment}", Some(SegmentsRead)),
    ("PATCH", "/api/v1/segments/{segment}", Some(SegmentsWrite)),
    (
        "POST",
        "/api/v1/segments/{segment}/archive",
        Some(SegmentsWrite),
    ),
    (
        "POST",
        "/api/v1/segments/{segment}/take-back",
        Some(SegmentsWrite),
    ),
    ("GET", "/api/v1/segments/{segment}/uses", Some(SegmentsRead)),
    ("GET", "/api/v1/templates", Some(TemplatesRead)),
    ("POST", "/api/v1/templates", Some(TemplatesWrite)),
    ("GET", "/api/v1/templates/{template}", Some(TemplatesRead)),
    ("PUT", "/api/v1/templates/{template}", Some(TemplatesWrite)),
    (
        "POST",
        "/api/v1/templates/{template}/archive",
        Some(TemplatesWrite),
    ),
    (
        "POST",
        "/api/v1/templates/{template}/take-back",
        Some(TemplatesWrite),
    ),
    (
        "GET",
        "/api/v1/templates/{template}/check",
        Some(TemplatesRead),
    ),
    (
        "POST",
        "/api/v1/templates/{template}/check",
        Some(TemplatesRead),
    ),
    (
        "GET",
        "/api/v1/templates/{template}/difference",
        Some(TemplatesRead),
    ),
    (
        "GET",
        "/api/v1/templates/{template}/revisions",
        Some(TemplatesRead),
    ),
    (
        "GET",
        "/api/v1/templates/{template}/revisions/{revision}",
        Some(TemplatesRead),
    ),
    (
        "POST",
        "/api/v1/templates/{template}/revisions/{revision}/restore",
        Some(TemplatesWrite),
    ),
    (
        "POST",
        "/api/v1/templates/{template}/preview",
        Some(TemplatesRead),
    ),
    ("GET", "/api/v1/campaigns", Some(CampaignsRead)),
    ("POST", "/api/v1/campaigns/check", Some(CampaignsRead)),
    ("GET", "/api/v1/campaigns/{campaign}", Some(CampaignsRead)),
    ("PUT", "/api/v1/campaigns/{campaign}", Some(CampaignsWrite)),
    (
        "GET",
        "/api/v1/campaigns/{campaign}/check",
        Some(CampaignsRead),
    ),
    (
        "GET",
        "/api/v1/campaigns/{campaign}/progress",
        Some(CampaignsRead),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/launch",
        Some(CampaignsLaunch),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/pause",
        Some(CampaignsWrite),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/resume",
        Some(CampaignsLaunch),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/cancel",
        Some(CampaignsWrite),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/decide",
        Some(CampaignsWrite),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/reschedule",
        Some(CampaignsLaunch),
    ),
    (
        "POST",
        "/api/v1/campaigns/{campaign}/reopen",
        Some(CampaignsWrite),
    ),
    ("GET", "/api/v1/calendar", Some(CampaignsRead)),
    ("GET", "/api/v1/drafts", Some(CampaignsRead)),
    ("POST", "/api/v1/drafts", Some(CampaignsWrite)),
    ("GET", "/api/v1/drafts/{draft}", Some(CampaignsRead)),
    ("PUT", "/api/v1/drafts/{draft}", Some(CampaignsWrite)),
    ("PATCH", "/api/v1/drafts/{draft}", Some(CampaignsWrite)),
    ("DELETE", "/api/v1/drafts/{draft}", Some(CampaignsWrite)),
    ("GET", "/api/v1/drafts/{draft}/check", Some(CampaignsRead)),
    (
        "POST",
        "/api/v1/drafts/{draft}/preview",
        Some(CampaignsRead),
    ),
    (
        "POST",
        "/api/v1/drafts/{draft}/test-send",
        Some(CampaignsWrite),
    ),
    ("POST", "/api/v1/drafts/{draft}/ask", Some(CampaignsWrite)),
    (
        "POST",
        "/api/v1/drafts/{draft}/withdraw",
        Some(CampaignsWrite),
    ),
    (
        "POST",
        "/api/v1/drafts/{draft}/approve",
        Some(CampaignsLaunch),
    ),
    (
        "POST",
        "/api/v1/drafts/{draft}/send-back",
        Some(CampaignsLaunch),
    ),
    // Who may launch it then, its standing says: a draft that is not approved takes the scope of the launch.
    (
        "POST",
        "/api/v1/drafts/{draft}/launch",
        Some(CampaignsWrite),
    ),
    ("GET", "/api/v1/reports", Some(ReportsRead)),
    ("GET", "/api/v1/reports/grid", Some(ReportsRead)),
    ("GET", "/api/v1/reports/standing", Some(ReportsRead)),
    ("GET", "/api/v1/reports/{campaign}", Some(ReportsRead)),
    ("GET", "/api/v1/reports/{campaign}/csv", Some(ReportsRead)),
    (
        "GET",
        "/api/v1/reports/{campaign}/improve",
        Some(ReportsRead),
    ),
    ("GET", "/api/v1/replies", Some(InboxRead)),
    ("POST", "/api/v1/replies/{reply}/done", Some(InboxWrite)),
    ("GET", "/api/v1/mails", Some(InboxRead)),
    ("GET", "/api/v1/mails/{mail}", Some(InboxRead)),
    ("POST", "/api/v1/mails/{mail}/done", Some(InboxWrite)),
    ("GET", "/api/v1/permission-levels", Some(ReportsRead)),
    ("GET", "/api/v1/evidence/verification", Some(Admin)),
    ("GET", "/api/v1/users", Some(Admin)),
    ("POST", "/api/v1/users", Some(Admin)),
    ("GET", "/api/v1/users/{user}", Some(Admin)),
    ("PATCH", "/api/v1/users/{user}", Some(Admin)),
    ("POST", "/api/v1/users/{user}/link", Some(Admin)),
    ("POST", "/api/v1/users/{user}/end-sessions", Some(Admin)),
    ("POST", "/api/v1/users/{user}/end-two-factors", Some(Admin)),
    ("GET", "/api/v1/tokens", Some(Admin)),
    ("POST", "/api/v1/tokens", Some(Admin)),
    ("DELETE", "/api/v1/tokens/{token}", Some(Admin)),
    ("GET", "/api/v1/webhooks", Some(WebhooksRead)),
    ("POST", "/api/v1/webhooks", Some(WebhooksWrite)),
    ("GET", "/api/v1/webhooks/{webhook}", Some(WebhooksRead)),
    ("PATCH", "/api/v1/webhooks/{webhook}", Some(WebhooksWrite)),
    ("DELETE", "/api/v1/webhooks/{webhook}", Some(WebhooksWrite)),
    (
        "GET",
        "/api/v1/webhooks/{webhook}/deliveries",
        Some(WebhooksRead),
    ),
    (
        "POST",
        "/api/v1/webhooks/{webhook}/secret",
        Some(WebhooksWrite),
    ),
    (
        "POST",
        "/api/v1/webhooks/{webhook}/test",
        Some(WebhooksWrite),
    ),
    (
        "POST",
        "/api/v1/webhooks/{webhook}/resend",
        Some(WebhooksWrite),
    ),
    ("GET", "/api/v1/rules", None),
    ("GET", "/api/v1/senders", Some(CampaignsRead)),
    ("GET", "/api/v1/senders/{domain}", Some(CampaignsRead)),
    (
        "POST",
        "/api/v1/senders/{domain}/check",
        Some(CampaignsRead),
    ),
    ("GET", "/api/v1/relays", Some(CampaignsRead)),
    ("POST", "/api/v1/relays/{route}/test", Some(Admin)),
    ("GET", "/api/v1/audit-log", Some(Admin)),
];

/// What a token needs for a method of a path; `None`: there is no such method. HEAD needs what GET needs.
pub(super) fn needed(path: &str, method: &Method) -> Option<Option<Scope>> {
    let method = match *method {
        Method::HEAD => "GET",
        _ => method.as_str(),
    };
    TABLE
        .iter()
        .find(|(of, at, _)| *of == method && *at == path)
        .map(|(_, _, scope)| *scope)
}

/// The methods of a path, as Allow names them.
pub(super) fn methods(path: &str) -> String {
    let mut methods = Vec::new();
    for (method, _, _) in TABLE.iter().filter(|(_, at, _)| *at == path) {
        methods.push(*method);
        if *method == "GET" {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
