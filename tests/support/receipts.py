"""What an SMS provider says of a text that arrived."""

from typing import Any

RECEIPT: dict[str, Any] = {
    "phone_number": "13800138000",
    "send_time": "2026-10-01 16:30:00",
    "report_time": "2026-10-01 16:30:05",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "用户接收成功",
    "sms_size": "2",
    "biz_id": "9^0",
    "out_id": "m-1",
}
"""One entry of the body that Alibaba Cloud posts."""
