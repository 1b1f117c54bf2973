use crate::sandbox::sdk::bunq_sdk_accepts_the_emulator;

#[tokio::test]
async fn bunqs_sdk_1_14_18_accepts_the_emulator() {
    bunq_sdk_accepts_the_emulator("1.14.18").await.unwrap();
}

#[tokio::test]
async fn bunqs_sdk_1_28_0_accepts_the_emulator() {
    bunq_sdk_accepts_the_emulator("1.28.0").await.unwrap();
}
