from django.db import models


class ClockSetting(models.Model):
    """How business time follows real time: `business = anchor_business + speed × (real − anchor_real)`.

    No row means that business time is real time, as in every real installation.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    anchor_real = models.DateTimeField()
    anchor_business = models.DateTimeField()
    speed = models.FloatField(default=1.0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="clock_one_row"),
            models.CheckConstraint(condition=models.Q(speed__gte=0), name="clock_never_runs_back"),
        ]

    def __str__(self) -> str:
        return f"{self.speed:g} ×"
