import type { CfnAlarmProps } from 'aws-cdk-lib/aws-cloudwatch';

/** Makes an alarm that notifies the topic when it goes off and when it is over; `see` is a heading of the manual. */
export type AddAlarm = (id: string, see: string, props: AlarmProps) => void;
export type AlarmProps = Omit<CfnAlarmProps, 'alarmActions' | 'okActions'>;
