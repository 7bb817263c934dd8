from modules.jobs.domain import PermanentError, TableBackoff
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.notifications import services
from modules.notifications.clients import AnswerLost, PermanentMailError


@actor(queue_name="emails", max_retries=3, backoff=TableBackoff([30]), time_limit=2 * clock.MINUTE)
def send_email(*, mail_id: int) -> None:
    """Mail what is in the ledger; 30 s after the mail server had no time, three times at most."""
    job = context.job()
    try:
        mail = services.deliver(
            mail_id=mail_id, sender=f"{job.id}:{job.fence}", is_last=job.attempt >= job.max_attempts
        )
        context.log(f"{mail.state}: {mail.template}")
    except services.MailGone as error:
        context.log(str(error))  # whose mail it was is gone, too
    except (PermanentMailError, AnswerLost) as error:
        raise PermanentError(str(error)) from None
